package io.sparsefill.job;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToLongFunction;
import java.util.regex.Pattern;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.util.SerializableConfiguration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads the documents of a run: the first step. The driver lists files, tasks read them. What
 * cannot be read becomes an error row ({@link Document#error}) and harms nothing else.
 *
 * <p>In a folder, every regular file below it is read, whatever its name, except what lies below a
 * name that begins with {@code .} or {@code _}. Files ending in {@code .gz} or another ending that
 * Hadoop has a codec for are decompressed (not Parquet, which compresses inside).
 *
 * <ul>
 *   <li>{@code text}: a file is a document, its path below the input folder is its name;
 *   <li>{@code jsonl}: a line is a document; a line of white space is none;
 *   <li>{@code parquet}: a row is a document;
 *   <li>{@code table}: a row of what Spark knows under that name is a document.
 * </ul>
 *
 * <p>Text is UTF-8 by the letter. A byte-order mark at its beginning is left out, line ends stay.
 */
public final class Documents {
  private static final Logger LOG = LoggerFactory.getLogger(Documents.class);
  private static final Pattern TABLE_NAME = Pattern.compile("\\w+(\\.\\w+)*");

  private Documents() {}

  /**
   * The documents of an input, in source order: files by name, in a file by byte or row, in a table
   * as Spark gives them. Names may repeat; {@link DuplicateIds} sees to that. Nothing is read
   * before an action, except a listing, Parquet footers, and what {@code limit} has to count.
   *
   * @throws IllegalArgumentException if the format cannot be told, or a table does not fit
   * @throws IOException if there is no such input, or it cannot be listed
   */
  public static JavaRDD<Document> read(SparkSession spark, InputOptions in) throws IOException {
    JavaSparkContext tasks = JavaSparkContext.fromSparkContext(spark.sparkContext());
    Configuration conf = tasks.hadoopConfiguration();
    DocumentColumns columns = DocumentColumns.of(in);
    if (isTable(spark, conf, in)) {
      LOG.info("Reading table {}", in.input());
      return limited(TableReader.read(spark, in.input(), columns), in);
    }
    List<InputFile> files = InputFile.list(conf, in.input());
    if (files.isEmpty()) {
      throw new FileNotFoundException(
          ("Cannot read input '%s': the folder holds no file (names that begin with '.' "
                  + "or '_' do not count); check --input")
              .formatted(in.input()));
    }
    InputFormat format =
        in.format() == null
            ? InputFormat.guess(conf, in.input(), files)
            : InputFormat.of(in.format());
    if (format == InputFormat.TEXT && in.questionColumn() != null) {
      throw new IllegalArgumentException(
          "Cannot read input '%s': files of format text have no column '%s' of questions; give jsonl, parquet or a table"
              .formatted(in.input(), in.questionColumn()));
    }
    LOG.info("Reading {} files of {} as {}", files.size(), in.input(), format.label());
    return switch (format) {
      case TEXT -> {
        int wanted = in.limit() == null ? files.size() : Math.min(in.limit(), files.size());
        yield read(tasks, files.subList(0, wanted), InputFile::length, TextReader::new);
      }
      case JSONL -> {
        long bytes = files.stream().mapToLong(InputFile::length).sum();
        List<LineSplit> splits = LineSplit.of(conf, files, SourceOrder.share(tasks, bytes));
        yield limited(
            read(tasks, splits, LineSplit::stored, (c, s) -> new JsonlReader(c, columns, s)), in);
      }
      case PARQUET -> {
        List<ParquetPart> parts = rowGroups(tasks, columns, files);
        yield limited(
            read(
                tasks,
                parts,
                ParquetPart::bytes,
                (c, part) -> new ParquetRowGroupReader(c, columns, part)),
            in);
      }
      case TABLE -> throw new IllegalStateException("A table is not read from files");
    };
  }

  /**
   * Refuses an output that the next reading of the input would take for documents.
   *
   * @throws IllegalArgumentException if the output lies in the input folder
   * @throws IOException if one of the two paths belongs to no known file system
   */
  public static void refuseOutputInside(SparkSession spark, InputOptions in, String output)
      throws IOException {
    Configuration conf = spark.sparkContext().hadoopConfiguration();
    if (!isTable(spark, conf, in) && InputFile.wouldList(conf, in.input(), output)) {
      throw new IllegalArgumentException(
          ("Cannot write to '%s': it lies in the input '%s', so that its files would be read as "
                  + "documents; choose another --output")
              .formatted(output, in.input()));
    }
  }

  private static boolean isTable(SparkSession spark, Configuration conf, InputOptions in)
      throws IOException {
    if (in.format() != null) {
      return InputFormat.of(in.format()) == InputFormat.TABLE;
    }
    // Only what can be nothing but a name: Spark's parser refuses paths.
    if (!TABLE_NAME.matcher(in.input()).matches()) {
      return false;
    }
    Path path = new Path(in.input());
    return !path.getFileSystem(conf).exists(path) && spark.catalog().tableExists(in.input());
  }

  /** Reads pieces of input in tasks, each of about equal bytes. */
  private static <P extends Serializable> JavaRDD<Document> read(
      JavaSparkContext tasks,
      List<P> pieces,
      ToLongFunction<P> bytes,
      DocumentIterator.Open<P> open) {
    SerializableConfiguration conf = new SerializableConfiguration(tasks.hadoopConfiguration());
    return SourceOrder.spread(tasks, pieces, bytes)
        .flatMap(group -> new DocumentIterator<>(conf.value(), SourceOrder.<P>pieces(group), open));
  }

  /** The row groups of all files; footers are read in tasks, because files may be many. */
  private static List<ParquetPart> rowGroups(
      JavaSparkContext tasks, DocumentColumns columns, List<InputFile> files) {
    SerializableConfiguration conf = new SerializableConfiguration(tasks.hadoopConfiguration());
    List<byte[]> groups =
        SourceOrder.spread(tasks, files, file -> 0)
            .map(
                group -> {
                  ArrayList<ParquetPart> parts = new ArrayList<>();
                  SourceOrder.<InputFile>pieces(group)
                      .forEachRemaining(
                          file -> parts.addAll(ParquetPart.of(conf.value(), columns, file)));
                  return JavaBytes.of(parts);
                })
            .collect();
    List<ParquetPart> all = new ArrayList<>();
    for (byte[] group : groups) {
      SourceOrder.<ParquetPart>pieces(group).forEachRemaining(all::add);
    }
    return all;
  }

  private static JavaRDD<Document> limited(JavaRDD<Document> documents, InputOptions in) {
    return in.limit() == null ? documents : SourceOrder.first(documents, in.limit());
  }
}
