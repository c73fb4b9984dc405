package io.sparsefill.job.output;

import io.sparsefill.udf.KvBlock;
import java.io.Closeable;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import org.apache.parquet.filter2.compat.FilterCompat;
import org.apache.parquet.filter2.compat.RowGroupFilter;
import org.apache.parquet.hadoop.metadata.ParquetMetadata;

/**
 * The kv rows of one document. It has the footers of the files that may hold some, so that a
 * question for a layer opens none but the files whose statistics leave that layer, and reads in
 * them only the row groups and pages that statistics and page index leave.
 */
public final class StoredKv {
  private final Storage storage;
  private final VisibleDocument document;
  private final Map<String, ParquetMetadata> files;

  private StoredKv(Storage storage, VisibleDocument document, Map<String, ParquetMetadata> files) {
    this.storage = storage;
    this.document = document;
    this.files = files;
  }

  /** Blocks in order of layer and block, one in memory at a time; checksums are not looked at. */
  public static final class Blocks implements Closeable {
    private final StoredDocument rows;

    private Blocks(StoredDocument rows) {
      this.rows = rows;
    }

    /** The next block, or null after the last. */
    public KvBlock next() throws IOException {
      return rows.next();
    }

    @Override
    public void close() throws IOException {
      rows.close();
    }
  }

  /** Keeps those of the files whose statistics leave room for the document. */
  static StoredKv of(
      Storage storage, VisibleDocument document, Map<String, ParquetMetadata> files) {
    FilterCompat.Filter filter = StoredDocument.rowsOf(document.docId(), document.runId());
    return new StoredKv(storage, document, having(files, filter));
  }

  /** What there is of a layer. */
  public Blocks layer(int layer) {
    return blocks(StoredDocument.rowsOf(document.docId(), document.runId(), layer));
  }

  /** A block, if it is there. */
  public Blocks block(int layer, int block) {
    return blocks(StoredDocument.rowsOf(document.docId(), document.runId(), layer, block));
  }

  private Blocks blocks(FilterCompat.Filter filter) {
    return new Blocks(new StoredDocument(storage, having(files, filter), filter));
  }

  @SuppressWarnings("deprecation") // the one that goes by statistics alone, without opening a file
  private static Map<String, ParquetMetadata> having(
      Map<String, ParquetMetadata> files, FilterCompat.Filter filter) {
    Map<String, ParquetMetadata> left = new HashMap<>();
    files.forEach(
        (path, footer) -> {
          if (!RowGroupFilter.filterRowGroups(
                  filter, footer.getBlocks(), footer.getFileMetaData().getSchema())
              .isEmpty()) {
            left.put(path, footer);
          }
        });
    return left;
  }
}
