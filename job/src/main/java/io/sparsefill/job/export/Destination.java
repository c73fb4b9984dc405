package io.sparsefill.job.export;

import io.sparsefill.job.export.ExportedDocument.ExportedFile;
import io.sparsefill.job.output.OutputRefused;
import io.sparsefill.job.output.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;

/**
 * The folder that an export makes. Tasks write below {@code _staging}; when all are done their
 * files are moved to their places, and {@code export.json} comes last: a folder without it is not
 * complete. What goes wrong before removes everything.
 */
final class Destination {
  static final String COMPLETE = "export.json";
  static final String STAGING = "_staging";

  /** Made by one export only. */
  private static final String CLAIM = STAGING + "/claim";

  private final Storage storage;
  private final boolean there;
  private final Set<String> folders = new LinkedHashSet<>();
  private final List<String> files = new ArrayList<>();
  private boolean begun;

  private Destination(Storage storage, boolean there) {
    this.storage = storage;
    this.there = there;
  }

  /**
   * Looks at the folder; nothing is made yet.
   *
   * @param source output folder of the run, with its file system
   * @throws OutputRefused when something lies in it, or it lies in the run's folder
   */
  static Destination of(Configuration conf, String dest, String source) throws IOException {
    Storage storage = new Storage(conf, dest);
    if ((storage.root() + "/").startsWith(source + "/")) {
      throw new OutputRefused(
          "Cannot export to " + dest + ": it lies in the run's folder; choose another --dest");
    }
    List<Storage.Entry> there = storage.list("");
    if (!there.isEmpty()) {
      boolean complete = there.stream().anyMatch(entry -> entry.name().equals(COMPLETE));
      boolean left = there.stream().anyMatch(entry -> entry.name().equals(STAGING));
      throw new OutputRefused(
          "Cannot export to "
              + dest
              + ": it is not empty ("
              + (complete
                  ? "an export is there already"
                  : left
                      ? "an export that did not finish left "
                          + STAGING
                          + " there; remove the folder"
                      : "'" + there.get(0).name() + "' is there")
              + "); choose another --dest");
    }
    return new Destination(storage, storage.exists(""));
  }

  /** The folder with its file system. */
  String root() {
    return storage.root();
  }

  /**
   * Makes the folder.
   *
   * @throws OutputRefused when another export has begun in it since it was looked at
   */
  void begin() throws IOException {
    begun = true;
    storage.makeFolder(STAGING);
    if (!storage.createText(CLAIM, "")) {
      begun = false; // what is there is the other's
      throw new OutputRefused(
          "Cannot export to " + root() + ": another export writes there; choose another --dest");
    }
  }

  /**
   * Moves the files of all documents to their places; of a shared file, the first document's.
   *
   * @return the files that there are, no name twice
   */
  List<ExportedFile> publish(List<ExportedDocument> documents) throws IOException {
    Set<String> shared = new HashSet<>();
    List<ExportedFile> published = new ArrayList<>();
    for (ExportedDocument document : documents) {
      for (ExportedFile file : document.files()) {
        if (file.shared() && !shared.add(file.path())) {
          continue;
        }
        String folder = parent(file.path());
        if (!folder.isEmpty() && folders.add(folder)) {
          storage.makeFolder(folder);
        }
        storage.rename(document.staged() + "/" + file.path(), file.path());
        files.add(file.path());
        published.add(file);
      }
    }
    return published;
  }

  /** Ends a complete export. */
  void complete(String json) throws IOException {
    storage.delete(STAGING);
    files.add(COMPLETE);
    if (!storage.createText(COMPLETE, json)) {
      files.remove(COMPLETE);
      throw new IOException(
          "Cannot complete " + root() + ": another export has written " + COMPLETE + " there");
    }
  }

  /**
   * Removes what this export has made, and nothing else, after a failure, which stays the reason.
   */
  void discard(Throwable failure) {
    if (!begun) {
      return;
    }
    try {
      storage.delete(STAGING);
      for (String file : files) {
        storage.delete(file);
      }
      for (String folder : folders) {
        for (String path = folder; !path.isEmpty(); path = parent(path)) {
          deleteIfEmpty(path);
        }
      }
      if (!there) {
        deleteIfEmpty("");
      }
    } catch (IOException e) {
      failure.addSuppressed(e);
    }
  }

  private void deleteIfEmpty(String folder) throws IOException {
    if (storage.list(folder).isEmpty()) {
      storage.delete(folder);
    }
  }

  /** The folder of a path below the destination; empty for the destination itself. */
  private static String parent(String path) {
    return path.substring(0, Math.max(0, path.lastIndexOf('/')));
  }
}
