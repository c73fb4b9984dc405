package io.sparsefill.job.output;

import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.MessageTypeParser;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.storage.StorageLevel;
import org.apache.spark.util.SerializableConfiguration;

/**
 * Reads the files of a table in Spark tasks, one task a file and one row at a time (so that big
 * cells stay few), and keeps what a mapper makes of each row. A file that cannot be read gives a
 * row with the reason in {@code unreadable} and harms no other.
 */
final class TableScan {
  /** The columns before those of the mapper. */
  private static final String FRONT = "file STRING, unreadable STRING, ";

  private TableScan() {}

  /** Turns a row of the table into the values of the scan's columns. */
  @FunctionalInterface
  interface RowMapper extends Serializable {
    Object[] map(Group row);
  }

  /**
   * Scans files.
   *
   * @param columns of the table that the mapper reads
   * @param ddl columns that the mapper makes
   * @return the rows, cached; the caller unpersists
   */
  static Dataset<Row> scan(
      SparkSession spark,
      Storage storage,
      List<String> files,
      MessageType columns,
      String ddl,
      RowMapper mapper) {
    JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    Broadcast<SerializableConfiguration> conf =
        context.broadcast(new SerializableConfiguration(storage.conf()));
    StructType schema = StructType.fromDDL(FRONT + ddl);
    Task task = new Task(conf, storage.root(), columns.toString(), schema.size(), mapper);
    JavaRDD<Row> rows = context.parallelize(files, Math.max(1, files.size())).flatMap(task);
    return spark.createDataFrame(rows, schema).persist(StorageLevel.MEMORY_AND_DISK());
  }

  private record Task(
      Broadcast<SerializableConfiguration> conf,
      String output,
      String columns,
      int width,
      RowMapper mapper)
      implements FlatMapFunction<String, Row> {
    @Override
    public Iterator<Row> call(String file) throws IOException {
      Storage storage = new Storage(conf.value().value(), output);
      return new FileRows(storage, file, MessageTypeParser.parseMessageType(columns), this);
    }

    Row row(String file, String unreadable, Object[] values) {
      List<Object> cells = new ArrayList<>(width);
      cells.add(file);
      cells.add(unreadable);
      for (int i = 0; i < width - 2; i++) {
        cells.add(values == null ? null : values[i]);
      }
      return RowFactory.create(cells.toArray());
    }
  }

  /** The rows of one file; the last one tells when the rest cannot be read. */
  private static final class FileRows implements Iterator<Row> {
    private final String file;
    private final Task task;
    private StoredRows reader;
    private Row next;

    FileRows(Storage storage, String file, MessageType columns, Task task) throws IOException {
      this.file = file;
      this.task = task;
      try {
        reader = StoredRows.open(storage, file, columns);
        advance();
      } catch (IOException | RuntimeException e) {
        end(e);
      }
    }

    @Override
    public boolean hasNext() {
      return next != null;
    }

    @Override
    public Row next() {
      if (next == null) {
        throw new NoSuchElementException(file);
      }
      Row row = next;
      next = null;
      if (reader != null) {
        try {
          advance();
        } catch (IOException | RuntimeException e) {
          end(e);
        }
      }
      return row;
    }

    private void advance() throws IOException {
      Group row = reader.next();
      if (row != null) {
        next = task.row(file, null, task.mapper().map(row));
      } else {
        StoredRows done = reader;
        reader = null;
        done.close();
      }
    }

    private void end(Exception e) {
      next = task.row(file, e.toString(), null);
      StoredRows broken = reader;
      reader = null;
      if (broken != null) {
        try {
          broken.close();
        } catch (IOException close) {
          e.addSuppressed(close);
        }
      }
    }
  }
}
