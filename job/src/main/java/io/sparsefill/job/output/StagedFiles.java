package io.sparsefill.job.output;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** The files that the tasks of a wave have staged, and how they get their final names. */
final class StagedFiles {
  private StagedFiles() {}

  /**
   * Renames the files of all tables but documents, after all were found as the tasks left them; no
   * document is visible by that.
   *
   * @return the same files under their final names
   */
  static List<StoredFile> publish(Storage storage, String runId, int wave, List<TaskOutput> outputs)
      throws IOException {
    for (TaskOutput output : outputs) {
      for (StoredFile file : output.files()) {
        check(storage, wave, file);
      }
    }
    List<StoredFile> published = new ArrayList<>();
    Set<Table> made = new HashSet<>();
    for (TaskOutput output : outputs) {
      Map<Table, Integer> counts = new TreeMap<>();
      for (StoredFile file : output.files()) {
        if (made.add(file.table())) {
          storage.makeFolder(file.table().folder());
        }
        int index = counts.merge(file.table(), 1, Integer::sum) - 1;
        String target = FileNames.data(file.table(), runId, wave, output.partition(), index);
        storage.rename(file.path(), target);
        published.add(new StoredFile(file.table(), target, file.rows(), file.bytes()));
      }
    }
    return published;
  }

  private static void check(Storage storage, int wave, StoredFile file) throws IOException {
    long found = storage.exists(file.path()) ? storage.size(file.path()) : -1;
    if (found != file.bytes()) {
      throw new IOException(
          "Cannot commit wave "
              + wave
              + ": "
              + storage.path(file.path())
              + (found < 0 ? " is not there" : " has " + found + " bytes")
              + ", a task wrote "
              + file.bytes()
              + " bytes to it; --output must be on storage that driver and executors share");
    }
  }
}
