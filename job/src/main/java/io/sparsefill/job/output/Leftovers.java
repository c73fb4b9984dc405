package io.sparsefill.job.output;

import io.sparsefill.job.output.FileNames.WaveKey;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Files that are no part of an output: what a crash left of waves that were never committed, and
 * the files of waves that were taken out. Whoever holds the folder's lock deletes them.
 */
final class Leftovers {
  private static final Logger LOG = LoggerFactory.getLogger(Leftovers.class);

  private Leftovers() {}

  /** Deletes data files of waves that were never committed, and all staged files. */
  static void deleteUncommitted(Storage storage, Manifest manifest) throws IOException {
    Set<WaveKey> committed = new HashSet<>();
    for (Storage.Entry entry : storage.list(Table.DOCUMENTS.folder())) {
      FileNames.waveOf(Table.DOCUMENTS, entry.name()).ifPresent(committed::add);
    }
    manifest.retired().forEach(wave -> committed.add(wave.key())); // these have their own time
    int removed = 0;
    for (Table table : Table.BY_DOCUMENT) {
      for (Storage.Entry entry : storage.list(table.folder())) {
        Optional<WaveKey> key = FileNames.waveOf(table, entry.name());
        if (key.isPresent() && !committed.contains(key.get())) {
          storage.delete(table.folder() + "/" + entry.name());
          removed++;
        }
      }
    }
    int staged = storage.list(FileNames.STAGING).size();
    storage.delete(FileNames.STAGING);
    if (removed > 0 || staged > 0) {
      LOG.warn(
          "{}: removed {} data files and {} staged waves of a run that did not end",
          storage.root(),
          removed,
          staged);
    }
  }

  /**
   * What was deleted of retired waves.
   *
   * @param waves whose files are all gone
   * @param bytes of the deleted files
   */
  record Deleted(List<Manifest.Retired> waves, long bytes) {}

  /**
   * Deletes those files of retired waves whose time has come. Nobody begins to read a wave that has
   * no documents file, so that goes first.
   */
  static Deleted deleteRetired(Storage storage, Manifest manifest, Instant now) throws IOException {
    List<Manifest.Retired> gone = new ArrayList<>();
    long bytes = 0;
    for (Manifest.Retired wave : manifest.retired()) {
      for (Table table : Table.values()) { // documents are the first
        for (StoredFile file : wave.files()) {
          if (file.table() == table && wave.isDue(table, now) && storage.exists(file.path())) {
            storage.delete(file.path());
            bytes += file.bytes();
          }
        }
      }
      if (wave.isDue(Table.KV, now)) {
        gone.add(wave);
      }
    }
    return new Deleted(gone, bytes);
  }
}
