package io.sparsefill.job.output;

import java.io.Closeable;
import java.io.IOException;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.column.ParquetProperties;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.api.WriteSupport;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.io.OutputFile;
import org.apache.parquet.io.api.RecordConsumer;

/**
 * One Parquet file of a table while it is written. The settings are made for cells of many MiB:
 * page and row group sizes are checked after every row (Parquet's default of 100 rows would hold
 * gigabytes), and big cells get neither a dictionary nor min/max statistics, so at most one row
 * group and one row are in memory.
 *
 * <p>The kv table's row groups are smaller, so that eight open files hold no more than one of
 * another table, and that a reader of one document and layer finds little else in the row groups
 * that their statistics leave. Its pages of all columns end at the same rows (see {@link
 * #pageRows}): the page index tells where each row's cells are. They have no checksums of their
 * own, for which Parquet would copy every page once more; {@code crc32c} covers the cells.
 */
final class TableFile<R> implements Closeable {
  /** Bytes of a row group; what a reader, and this writer, holds at a time. */
  static final long ROW_GROUP_BYTES = 128L << 20;

  /** The same in the kv table. */
  static final long KV_ROW_GROUP_BYTES = 16L << 20;

  /** Keys and values in a page's rows, if one row has no more; smaller pages cost notable time. */
  static final int KV_PAGE_BYTES = 256 << 10;

  /** Most rows of a page of the other tables. */
  static final int PAGE_ROWS = ParquetProperties.DEFAULT_PAGE_ROW_COUNT_LIMIT;

  private static final String[] BIG_COLUMNS = {
    "key", "value", "key_scale", "value_scale", "logits"
  };

  private final String path;
  private final Table table;
  private final ParquetWriter<R> writer;
  private long rows;

  /**
   * Makes the file.
   *
   * @param pageRows most rows of a page
   */
  TableFile(
      Storage storage,
      String path,
      Table table,
      RowWriter<R> rowWriter,
      CompressionCodecName codec,
      Map<String, String> metadata,
      int pageRows)
      throws IOException {
    this.path = path;
    this.table = table;
    Configuration conf = new Configuration(storage.conf());
    conf.setInt("parquet.compression.codec.zstd.level", 1);
    Builder<R> builder = new Builder<>(storage.outputFile(path), table, rowWriter, metadata);
    builder
        .withConf(conf)
        .withCompressionCodec(codec)
        .withRowGroupSize(table == Table.KV ? KV_ROW_GROUP_BYTES : ROW_GROUP_BYTES)
        .withPageWriteChecksumEnabled(table != Table.KV)
        .withPageRowCountLimit(pageRows)
        .withMinRowCountForPageSizeCheck(1)
        .withMaxRowCountForPageSizeCheck(1)
        .withStatisticsTruncateLength(64);
    for (String column : BIG_COLUMNS) {
      if (table.parquet().containsField(column)) {
        builder.withDictionaryEncoding(column, false).withStatisticsEnabled(column, false);
      }
    }
    this.writer = builder.build();
  }

  /** Rows of a page of the kv table, whose rows have so many bytes of keys and values. */
  static int pageRows(long rowBytes) {
    return (int) Math.max(1, KV_PAGE_BYTES / Math.max(1, rowBytes));
  }

  void write(R row) throws IOException {
    writer.write(row);
    rows++;
  }

  /** Bytes written and buffered so far. */
  long bytes() {
    return writer.getDataSize();
  }

  /** Ends the file: the last row group and the footer. */
  @Override
  public void close() throws IOException {
    writer.close();
  }

  /** What the closed file is. */
  StoredFile stored(Storage storage) throws IOException {
    return new StoredFile(table, path, rows, storage.size(path));
  }

  private static final class Builder<R> extends ParquetWriter.Builder<R, Builder<R>> {
    private final Table table;
    private final RowWriter<R> rowWriter;
    private final Map<String, String> metadata;

    Builder(OutputFile file, Table table, RowWriter<R> rowWriter, Map<String, String> metadata) {
      super(file);
      this.table = table;
      this.rowWriter = rowWriter;
      this.metadata = metadata;
    }

    @Override
    protected Builder<R> self() {
      return this;
    }

    @Override
    @SuppressWarnings("deprecation") // the one that a builder must have
    protected WriteSupport<R> getWriteSupport(Configuration conf) {
      return new Rows<>(table, rowWriter, metadata);
    }
  }

  private static final class Rows<R> extends WriteSupport<R> {
    private final Table table;
    private final RowWriter<R> rowWriter;
    private final Map<String, String> metadata;
    private RecordConsumer out;

    Rows(Table table, RowWriter<R> rowWriter, Map<String, String> metadata) {
      this.table = table;
      this.rowWriter = rowWriter;
      this.metadata = metadata;
    }

    @Override
    @SuppressWarnings("deprecation") // the one that a WriteSupport must have
    public WriteContext init(Configuration conf) {
      return new WriteContext(table.parquet(), metadata);
    }

    @Override
    public void prepareForWrite(RecordConsumer consumer) {
      out = consumer;
    }

    @Override
    public void write(R row) {
      out.startMessage();
      RowFields fields = new RowFields(out, table.parquet());
      rowWriter.write(row, fields);
      fields.end();
      out.endMessage();
    }
  }
}
