package io.sparsefill.job.export;

import io.sparsefill.job.export.ExportedDocument.ExportedFile;
import io.sparsefill.job.output.OutputRefused;
import io.sparsefill.job.output.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
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

  private final Storage storage;
  private final boolean there;

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

  /** Makes the folder. */
  void begin() throws IOException {
    storage.makeFolder(STAGING);
  }

  /**
   * Moves the files of all documents to their places; of a shared file, the first document's.
   *
   * @return the files that there are, no name twice
   */
  List<ExportedFile> publish(List<ExportedDocument> documents) throws IOException {
    Set<String> folders = new HashSet<>();
    Set<String> shared = new HashSet<>();
    List<ExportedFile> published = new ArrayList<>();
    for (ExportedDocument document : documents) {
      for (ExportedFile file : document.files()) {
        if (file.shared() && !shared.add(file.path())) {
          continue;
        }
        int slash = file.path().lastIndexOf('/');
        if (slash > 0 && folders.add(file.path().substring(0, slash))) {
          storage.makeFolder(file.path().substring(0, slash));
        }
        storage.rename(document.staged() + "/" + file.path(), file.path());
        published.add(file);
      }
    }
    return published;
  }

  /** Ends a complete export. */
  void complete(String json) throws IOException {
    storage.delete(STAGING);
    if (!storage.createText(COMPLETE, json)) {
      throw new IOException(
          "Cannot complete " + root() + ": another export has written " + COMPLETE + " there");
    }
  }

  /** Removes what an export that failed has left; its own failure stays the reason. */
  void discard(Throwable failure) {
    try {
      for (Storage.Entry entry : storage.list("")) {
        storage.delete(entry.name());
      }
      if (!there) {
        storage.delete("");
      }
    } catch (IOException e) {
      failure.addSuppressed(e);
    }
  }
}
