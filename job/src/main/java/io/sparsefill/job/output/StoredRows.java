package io.sparsefill.job.output;

import java.io.Closeable;
import java.io.IOException;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.ParquetReadOptions;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.filter2.compat.FilterCompat;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.ParquetReader;
import org.apache.parquet.hadoop.api.ReadSupport;
import org.apache.parquet.hadoop.example.GroupReadSupport;
import org.apache.parquet.io.InputFile;
import org.apache.parquet.schema.MessageType;

/**
 * Reads one Parquet file of a table row by row, without Spark and with page checksums verified (the
 * kv table has none; its cells carry their own). It holds one row group of the chosen columns at a
 * time.
 */
final class StoredRows implements Closeable {
  private final String path;
  private final ParquetReader<Group> reader;

  private StoredRows(String path, ParquetReader<Group> reader) {
    this.path = path;
    this.reader = reader;
  }

  /** Rows with these columns that pass the filter ({@link FilterCompat#NOOP}: all). */
  static StoredRows open(
      Storage storage, String path, MessageType columns, FilterCompat.Filter filter)
      throws IOException {
    Builder builder = new Builder(storage.inputFile(path));
    builder
        .withConf(new Configuration(storage.conf())) // the schema is for this reader alone
        .set(ReadSupport.PARQUET_READ_SCHEMA, columns.toString())
        .withFilter(filter)
        .usePageChecksumVerification();
    return new StoredRows(path, builder.build());
  }

  /** Every row of a file. */
  static StoredRows open(Storage storage, String path, MessageType columns) throws IOException {
    return open(storage, path, columns, FilterCompat.NOOP);
  }

  /** The number of rows, from the footer. */
  static long rows(Storage storage, String path) throws IOException {
    try (ParquetFileReader file = footer(storage, path)) {
      return file.getRecordCount();
    }
  }

  /** The key-value metadata of a file. */
  static Map<String, String> metadata(Storage storage, String path) throws IOException {
    try (ParquetFileReader file = footer(storage, path)) {
      return file.getFileMetaData().getKeyValueMetaData();
    }
  }

  /** The next row, or null after the last. */
  Group next() throws IOException {
    try {
      return reader.read();
    } catch (RuntimeException e) { // Parquet's decoding errors are unchecked
      throw new IOException("Cannot read " + path + ": " + e.getMessage(), e);
    }
  }

  @Override
  public void close() throws IOException {
    reader.close();
  }

  /** A text column of a row, or null. */
  static String text(Group row, String column) {
    return row.getFieldRepetitionCount(column) == 0 ? null : row.getString(column, 0);
  }

  /** A double column of a row, or null. */
  static Double float64(Group row, String column) {
    return row.getFieldRepetitionCount(column) == 0 ? null : (Double) row.getDouble(column, 0);
  }

  /** Number of elements of a list column, or null when it is absent. */
  static Integer listSize(Group row, String column) {
    return row.getFieldRepetitionCount(column) == 0
        ? null
        : (Integer) row.getGroup(column, 0).getFieldRepetitionCount("list");
  }

  /**
   * The i-th element of a list column of primitive values, as the group that holds its {@code
   * element}.
   */
  static Group listItem(Group list, int index) {
    return list.getGroup("list", index);
  }

  private static ParquetFileReader footer(Storage storage, String path) throws IOException {
    try {
      return ParquetFileReader.open(storage.inputFile(path), ParquetReadOptions.builder().build());
    } catch (RuntimeException e) { // a file that is not Parquet
      throw new IOException("Cannot read " + path + ": " + e.getMessage(), e);
    }
  }

  private static final class Builder extends ParquetReader.Builder<Group> {
    Builder(InputFile file) {
      super(file);
    }

    @Override
    protected ReadSupport<Group> getReadSupport() {
      return new GroupReadSupport();
    }
  }
}
