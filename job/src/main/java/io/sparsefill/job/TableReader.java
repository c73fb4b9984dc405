package io.sparsefill.job;

import static org.apache.spark.sql.functions.lit;

import java.util.Iterator;
import java.util.List;
import java.util.function.Predicate;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.BinaryType;
import org.apache.spark.sql.types.ByteType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.IntegerType;
import org.apache.spark.sql.types.LongType;
import org.apache.spark.sql.types.ShortType;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.sql.types.StructField;

/**
 * Reads the rows of a table or view through Spark, whose order of partitions and rows is the source
 * order. A table's own corrupt files are Spark's to handle, and end the job.
 */
final class TableReader implements Iterator<Document> {
  private final String table;
  private final DocumentColumns names;
  private final boolean hasId;
  private final int partition;
  private final Iterator<Row> rows;
  private long row;

  private TableReader(
      String table, DocumentColumns names, boolean hasId, int partition, Iterator<Row> rows) {
    this.table = table;
    this.names = names;
    this.hasId = hasId;
    this.partition = partition;
    this.rows = rows;
  }

  /**
   * One document per row.
   *
   * @throws IllegalArgumentException if the table does not exist, or its columns do not fit
   */
  static JavaRDD<Document> read(SparkSession spark, String table, DocumentColumns names) {
    if (!spark.catalog().tableExists(table)) {
      throw new IllegalArgumentException(
          "Cannot read table '%s': Spark knows no such table or view; check --input"
              .formatted(table));
    }
    Dataset<Row> all = spark.read().table(table);
    List<String> found = List.of(all.schema().fieldNames());
    if (!found.contains(names.text()) && !found.contains(names.tokens())) {
      throw new IllegalArgumentException(
          "Cannot read table '%s': %s".formatted(table, names.missing(found).getMessage()));
    }
    try {
      names.requireIdAmong(found);
      names.requireQuestionAmong(found);
      Column id = column(all, names.id(), TableReader::isId, "a string or integer");
      Column text = column(all, names.text(), TableReader::isText, "a string or binary");
      Column tokens = column(all, names.tokens(), TableReader::isTokens, "an array of integers");
      Column question =
          names.question() == null
              ? lit(null)
              : column(all, names.question(), TableReader::isText, "a string or binary");
      boolean hasId = found.contains(names.id());
      return all.select(
              // Text as bytes: a Java string would hide invalid UTF-8. By way of a string an
              // integer becomes its decimal form.
              id.cast(DataTypes.StringType).cast(DataTypes.BinaryType),
              text.cast(DataTypes.BinaryType),
              tokens.cast(DataTypes.createArrayType(DataTypes.LongType)),
              question.cast(DataTypes.BinaryType))
          .toJavaRDD()
          .mapPartitionsWithIndex(
              (partition, rows) -> new TableReader(table, names, hasId, partition, rows), true);
    } catch (UnreadableDocumentException e) {
      throw new IllegalArgumentException(
          "Cannot read table '%s': %s".formatted(table, e.getMessage()), e);
    }
  }

  @Override
  public boolean hasNext() {
    return rows.hasNext();
  }

  @Override
  public Document next() {
    Row values = rows.next();
    String source = "table %s, partition %d, row %d".formatted(table, partition, row);
    String docId = "%s#%d-%d".formatted(table, partition, row);
    row++;
    byte[] text = values.isNullAt(1) ? null : values.getAs(1);
    try {
      if (hasId) {
        if (values.isNullAt(0)) {
          throw new UnreadableDocumentException(
              "column '%s' is null; every document needs a name".formatted(names.id()));
        }
        docId = DocumentColumns.requireId(names.id(), values.<byte[]>getAs(0));
      }
      if (!values.isNullAt(2)) {
        return ask(DocumentColumns.ofTokens(docId, source, tokenIds(values.getList(2))), values);
      }
      if (text == null) {
        throw names.nullText();
      }
      return ask(
          DocumentColumns.ofText(docId, source, DocumentText.decode(text, 0, text.length)), values);
    } catch (UnreadableDocumentException e) {
      String hash = text == null ? ContentHash.OF_NOTHING : ContentHash.of(text, 0, text.length);
      return e.toDocument(docId, source, hash);
    }
  }

  private Document ask(Document document, Row values) throws UnreadableDocumentException {
    return names.question() == null ? document : names.ask(document, values.<byte[]>getAs(3));
  }

  private int[] tokenIds(List<Long> values) throws UnreadableDocumentException {
    int[] ids = new int[values.size()];
    int i = 0;
    for (Long value : values) {
      if (value == null || value < 0 || value > Integer.MAX_VALUE) {
        throw DocumentColumns.notTokenId(names.tokens(), i, String.valueOf(value));
      }
      ids[i++] = value.intValue();
    }
    return ids;
  }

  /** The column, checked, or nulls if the table has no such column. */
  private static Column column(
      Dataset<Row> all, String name, Predicate<DataType> fits, String needed)
      throws UnreadableDocumentException {
    for (StructField field : all.schema().fields()) {
      if (field.name().equals(name)) {
        if (!fits.test(field.dataType())) {
          throw new UnreadableDocumentException(
              "column '%s' has the type '%s'; %s is needed"
                  .formatted(name, field.dataType().simpleString(), needed));
        }
        return all.col("`" + name.replace("`", "``") + "`");
      }
    }
    return lit(null);
  }

  private static boolean isId(DataType type) {
    return isText(type) || isInteger(type);
  }

  private static boolean isText(DataType type) {
    return type instanceof StringType || type instanceof BinaryType;
  }

  private static boolean isTokens(DataType type) {
    return type instanceof ArrayType array && isInteger(array.elementType());
  }

  private static boolean isInteger(DataType type) {
    return type instanceof ByteType
        || type instanceof ShortType
        || type instanceof IntegerType
        || type instanceof LongType;
  }
}
