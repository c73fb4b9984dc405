package io.sparsefill.job.output;

import java.io.Closeable;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.apache.parquet.HadoopReadOptions;
import org.apache.parquet.ParquetReadOptions;
import org.apache.parquet.column.page.PageReadStore;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.convert.GroupRecordConverter;
import org.apache.parquet.filter2.compat.FilterCompat;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.metadata.BlockMetaData;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.hadoop.metadata.ParquetMetadata;
import org.apache.parquet.io.ColumnIOFactory;
import org.apache.parquet.io.InputFile;
import org.apache.parquet.io.MessageColumnIO;
import org.apache.parquet.io.RecordReader;
import org.apache.parquet.io.SeekableInputStream;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.Type;

/**
 * Reads one Parquet file of a table row by row, without Spark and with page checksums verified (the
 * kv table has none; its cells carry their own). With a filter, only the row groups and pages that
 * statistics and page index leave are read. It holds one row group of the chosen columns at a time.
 */
final class StoredRows implements Closeable {
  private final String path;
  private final ParquetFileReader file;
  private final MessageType columns;
  private final FilterCompat.Filter filter;
  private final MessageColumnIO cells;
  private RecordReader<Group> group;
  private long left;

  private StoredRows(
      String path, ParquetFileReader file, MessageType columns, FilterCompat.Filter filter) {
    this.path = path;
    this.file = file;
    this.columns = columns;
    this.filter = filter;
    this.cells =
        new ColumnIOFactory(file.getFileMetaData().getCreatedBy())
            .getColumnIO(columns, file.getFileMetaData().getSchema(), true);
    file.setRequestedSchema(columns);
  }

  /**
   * Rows with these columns that pass the filter ({@link FilterCompat#NOOP}: all), whose columns
   * must be among them; optional columns that the file does not have are left out.
   */
  static StoredRows open(
      Storage storage, String path, MessageType columns, FilterCompat.Filter filter)
      throws IOException {
    return open(storage, path, null, columns, filter);
  }

  /** The same of a file whose footer is known, or null. */
  static StoredRows open(
      Storage storage,
      String path,
      ParquetMetadata footer,
      MessageType columns,
      FilterCompat.Filter filter)
      throws IOException {
    ParquetFileReader file = open(storage, path, footer, options(storage, path, filter));
    try {
      return new StoredRows(path, file, present(file, columns), filter);
    } catch (RuntimeException e) { // columns that the file lacks
      throw closed(file, unreadable(storage, path, e));
    }
  }

  /** Every row of a file. */
  static StoredRows open(Storage storage, String path, MessageType columns) throws IOException {
    return open(storage, path, columns, FilterCompat.NOOP);
  }

  /** The number of rows, from the footer. */
  static long rows(Storage storage, String path) throws IOException {
    return footer(storage, path).getBlocks().stream().mapToLong(BlockMetaData::getRowCount).sum();
  }

  /** The key-value metadata of a file. */
  static Map<String, String> metadata(Storage storage, String path) throws IOException {
    return footer(storage, path).getFileMetaData().getKeyValueMetaData();
  }

  /** The footer of a file. */
  static ParquetMetadata footer(Storage storage, String path) throws IOException {
    try (ParquetFileReader file =
        open(storage, path, null, options(storage, path, FilterCompat.NOOP))) {
      return file.getFooter();
    }
  }

  /** The compression of a file that has rows. */
  static CompressionCodecName codec(Storage storage, String path) throws IOException {
    return footer(storage, path).getBlocks().get(0).getColumns().get(0).getCodec();
  }

  /** The next row, or null after the last. */
  Group next() throws IOException {
    try {
      while (true) {
        while (left == 0) {
          PageReadStore pages = file.readNextFilteredRowGroup();
          if (pages == null) {
            return null;
          }
          group = cells.getRecordReader(pages, new GroupRecordConverter(columns), filter);
          left = pages.getRowCount();
        }
        left--;
        Group row = group.read();
        if (row != null && !group.shouldSkipCurrentRecord()) {
          return row;
        }
      }
    } catch (RuntimeException e) { // Parquet's decoding errors are unchecked
      throw new IOException("Cannot read " + path + ": " + e.getMessage(), e);
    }
  }

  @Override
  public void close() throws IOException {
    file.close();
  }

  /** A text column of a row, or null. */
  static String text(Group row, String column) {
    return isThere(row, column) ? row.getString(column, 0) : null;
  }

  /** A binary column of a row, or null. */
  static byte[] bytes(Group row, String column) {
    return isThere(row, column) ? row.getBinary(column, 0).getBytes() : null;
  }

  /** Whether a row has a value in a column, which files of an older version may lack. */
  static boolean isThere(Group row, String column) {
    return row.getType().containsField(column) && row.getFieldRepetitionCount(column) > 0;
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

  private static MessageType present(ParquetFileReader file, MessageType asked) {
    MessageType stored = file.getFileMetaData().getSchema();
    List<Type> present =
        asked.getFields().stream()
            .filter(
                field ->
                    stored.containsField(field.getName())
                        || !field.isRepetition(Type.Repetition.OPTIONAL))
            .toList();
    return new MessageType(asked.getName(), present);
  }

  private static ParquetReadOptions options(
      Storage storage, String path, FilterCompat.Filter filter) {
    return HadoopReadOptions.builder(storage.conf(), storage.path(path))
        .withRecordFilter(filter)
        .usePageChecksumVerification()
        .build();
  }

  private static ParquetFileReader open(
      Storage storage, String path, ParquetMetadata footer, ParquetReadOptions options)
      throws IOException {
    InputFile file = storage.inputFile(path);
    SeekableInputStream in = file.newStream();
    try {
      return footer == null
          ? ParquetFileReader.open(file, options, in)
          : new ParquetFileReader(storage.conf(), storage.path(path), footer, options, in);
    } catch (IOException e) {
      throw closed(in, e);
    } catch (RuntimeException e) { // a file that is not Parquet
      throw closed(in, unreadable(storage, path, e));
    }
  }

  private static IOException unreadable(Storage storage, String path, RuntimeException e) {
    return new IOException("Cannot read " + storage.path(path) + ": " + e.getMessage(), e);
  }

  /** Closes what could not be used and gives back why. */
  private static IOException closed(Closeable half, IOException failure) {
    try {
      half.close();
    } catch (IOException e) {
      failure.addSuppressed(e);
    }
    return failure;
  }
}
