package io.sparsefill.job.output;

import static org.apache.parquet.filter2.predicate.FilterApi.and;
import static org.apache.parquet.filter2.predicate.FilterApi.binaryColumn;
import static org.apache.parquet.filter2.predicate.FilterApi.eq;
import static org.apache.parquet.filter2.predicate.FilterApi.intColumn;

import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.KvBlock;
import java.io.Closeable;
import java.io.IOException;
import java.util.List;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.filter2.compat.FilterCompat;
import org.apache.parquet.filter2.predicate.FilterPredicate;
import org.apache.parquet.io.api.Binary;

/**
 * The KV blocks of one document in stored order, read from the files that hold them, one at a time.
 */
final class StoredDocument implements Closeable {
  private final Storage storage;
  private final List<String> files;
  private final FilterCompat.Filter filter;
  private int nextFile;
  private StoredRows reader;

  /** Every block of a document. */
  StoredDocument(Storage storage, String docId, String runId, List<String> files) {
    this(storage, files, rowsOf(docId, runId));
  }

  /** The blocks of one layer. */
  StoredDocument(Storage storage, String docId, String runId, List<String> files, int layer) {
    this(
        storage,
        files,
        FilterCompat.get(and(document(docId, runId), eq(intColumn("layer"), layer))));
  }

  private StoredDocument(Storage storage, List<String> files, FilterCompat.Filter filter) {
    this.storage = storage;
    this.files = files.stream().sorted().toList();
    this.filter = filter;
  }

  /** Rows of a document only; files and pages that cannot hold it are passed over. */
  static FilterCompat.Filter rowsOf(String docId, String runId) {
    return FilterCompat.get(document(docId, runId));
  }

  private static FilterPredicate document(String docId, String runId) {
    return and(
        eq(binaryColumn("doc_id"), Binary.fromString(docId)),
        eq(binaryColumn("run_id"), Binary.fromString(runId)));
  }

  /** The next block, or null after the last. */
  KvBlock next() throws IOException {
    while (true) {
      if (reader == null) {
        if (nextFile == files.size()) {
          return null;
        }
        reader = StoredRows.open(storage, files.get(nextFile++), Table.KV.parquet(), filter);
      }
      Group row = reader.next();
      if (row != null) {
        return new KvBlock(
            row.getInteger("layer", 0),
            row.getInteger("block", 0),
            row.getInteger("token_start", 0),
            row.getInteger("token_count", 0),
            KvDtype.of(row.getString("dtype", 0)),
            row.getBinary("key", 0).getBytes(),
            row.getBinary("value", 0).getBytes(),
            row.getLong("crc32c", 0));
      }
      close();
    }
  }

  @Override
  public void close() throws IOException {
    StoredRows open = reader;
    reader = null;
    if (open != null) {
      open.close();
    }
  }
}
