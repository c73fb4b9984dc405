package io.sparsefill.job.output;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;

/**
 * What a run of some identity would find in an output folder; seen without locking or changing
 * anything.
 *
 * @param done keys ({@link OutputFolder#doneKey}) of finished documents, see {@link
 *     OutputFolder#done}
 * @param runs oldest first
 */
public record OutputPreview(Set<String> done, List<Manifest.Run> runs) {
  /** Of a folder that is not there. */
  public static final OutputPreview EMPTY = new OutputPreview(Set.of(), List.of());

  /** Copies both. */
  public OutputPreview {
    done = Set.copyOf(done);
    runs = List.copyOf(runs);
  }

  /**
   * Looks at a folder.
   *
   * @return {@link #EMPTY} for one that is not there
   * @throws OutputConflict when the folder was made with another identity
   * @throws OutputRefused when it holds something else
   */
  public static OutputPreview of(Configuration conf, String path, Map<String, String> identity)
      throws IOException {
    Storage storage = OutputFolder.storage(conf, path);
    Optional<Manifest> manifest = OutputFolder.stored(storage, new Identity(identity));
    return manifest.isEmpty()
        ? EMPTY
        : new OutputPreview(
            FinishedDocuments.of(storage, manifest.get()).keys(), manifest.get().runs());
  }
}
