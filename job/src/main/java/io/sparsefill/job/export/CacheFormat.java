package io.sparsefill.job.export;

import io.sparsefill.job.read.StoredCache;
import io.sparsefill.kernels.KvDtype;
import java.io.IOException;
import java.util.List;
import java.util.Set;

/** One engine's files of a document's cache. Has no state; used by several tasks at a time. */
interface CacheFormat {
  /** The name in {@code --to}. */
  String name();

  /** Engine and version whose files these are, and whether that version has read them. */
  String engine();

  /** Element types that the engine takes; a run of another is refused before anything is read. */
  Set<KvDtype> dtypes();

  /** Settings that the format has; any other is refused. */
  default List<FormatOption> options() {
    return List.of();
  }

  /**
   * Checks settings and run before the job begins, on the driver.
   *
   * @param context of no document: {@link ExportContext#docId()} is empty
   * @throws IllegalArgumentException with what is wrong and what would fit
   */
  default void check(ExportContext context) {}

  /**
   * Writes one document's files. Memory is bounded: at most a few blocks, never a layer.
   *
   * @throws IOException when the cache cannot be read or a file cannot be written
   */
  void write(StoredCache cache, ExportContext context, ExportFolder folder) throws IOException;
}
