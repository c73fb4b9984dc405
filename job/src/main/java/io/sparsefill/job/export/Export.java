package io.sparsefill.job.export;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparsefill.job.JavaBytes;
import io.sparsefill.job.export.ExportedDocument.ExportedFile;
import io.sparsefill.job.output.Manifest;
import io.sparsefill.job.output.OutputRefused;
import io.sparsefill.job.output.StoredOutput;
import io.sparsefill.job.output.Table;
import io.sparsefill.job.output.VisibleDocument;
import io.sparsefill.job.read.KvReader;
import io.sparsefill.job.run.UsageException;
import io.sparsefill.kernels.KvDtype;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.util.SerializableConfiguration;

/**
 * {@code sparsefill export}: a Spark job, a task per document, that writes stored caches as files
 * of a serving engine. How much a task has in memory is said by its {@link CacheFormat}, and does
 * not depend on the document's length. All is checked before the first file is made, and the files
 * of all documents appear together.
 */
public final class Export {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  private final CacheFormat format;
  private final StoredOutput stored;
  private final ExportContext context;
  private final List<VisibleDocument> documents;
  private final Destination destination;

  private Export(
      CacheFormat format,
      StoredOutput stored,
      ExportContext context,
      List<VisibleDocument> documents,
      Destination destination) {
    this.format = format;
    this.stored = stored;
    this.context = context;
    this.documents = documents;
    this.destination = destination;
  }

  /**
   * Exports.
   *
   * @throws UsageException when the options do not fit each other or the run
   * @throws OutputRefused when the run's folder or the destination cannot be used
   * @throws IOException when files cannot be read or written; nothing is left of the export then
   */
  public static ExportSummary execute(SparkSession spark, ExportOptions options)
      throws IOException {
    long start = System.nanoTime();
    Configuration conf = spark.sparkContext().hadoopConfiguration();
    Export export = check(conf, options);
    List<ExportedDocument> written;
    List<ExportedFile> files;
    try {
      export.destination.begin();
      written = export.run(spark);
      files = export.destination.publish(written);
      export.destination.complete(export.json(written));
    } catch (
        Throwable e) { // also SparkException, which is checked and which collect() does not tell
      export.destination.discard(e);
      throw e;
    }
    return new ExportSummary(
        export.format.name(),
        written.size(),
        (int) written.stream().filter(document -> document.files().isEmpty()).count(),
        written.stream().mapToLong(ExportedDocument::tokens).sum(),
        files.size(),
        files.stream().mapToLong(ExportedFile::bytes).sum(),
        (System.nanoTime() - start) / 1e9,
        export.stored.root(),
        export.destination.root());
  }

  private static Export check(Configuration conf, ExportOptions options) throws IOException {
    CacheFormat format = CacheFormats.of(options.to());
    StoredOutput stored = StoredOutput.open(conf, options.output());
    KvReader.of(stored); // refuses a run without keys and values
    Map<String, String> identity = stored.manifest().identity();
    if (options.expect() != null) {
      Expectation.read(conf, options.expect()).check(identity, options.output());
    }
    checkDtype(format, stored.identity().kvDtype());
    if (stored.manifest().files(Table.TOKENS).isEmpty()) {
      throw new OutputRefused(
          "Cannot export "
              + options.output()
              + ": its tokens table has no file, and no engine takes a cache without its tokens");
    }
    String model = options.modelName() == null ? model(stored.manifest()) : options.modelName();
    String fingerprint = stored.manifest().fingerprint();
    ExportContext context =
        new ExportContext("", model, fingerprint, identity, settings(format, options.settings()));
    try {
      format.check(context);
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
    List<VisibleDocument> documents = documents(stored, options.documents());
    Destination destination = Destination.of(conf, options.dest(), stored.root());
    return new Export(format, stored, context, documents, destination);
  }

  private static void checkDtype(CacheFormat format, KvDtype dtype) {
    if (!format.dtypes().contains(dtype)) {
      throw new UsageException(
          "Cannot export keys and values of type "
              + dtype.label()
              + " to "
              + format.name()
              + ": it takes "
              + format.dtypes().stream().map(KvDtype::label).collect(Collectors.joining(", "))
              + "; run with another --kv-dtype into another folder");
    }
  }

  /** Every option of the format, given or standard. */
  private static Map<String, String> settings(CacheFormat format, Map<String, String> given) {
    Map<String, String> settings = new TreeMap<>();
    format.options().forEach(option -> settings.put(option.name(), option.standard()));
    for (Map.Entry<String, String> setting : given.entrySet()) {
      if (settings.replace(setting.getKey(), setting.getValue()) == null) {
        throw new UsageException(
            "Cannot use --set "
                + setting.getKey()
                + "=...: "
                + format.name()
                + " has "
                + (settings.isEmpty() ? "no settings" : String.join(", ", settings.keySet())));
      }
    }
    return settings;
  }

  /** The last part of the folder that the newest run took its model from. */
  private static String model(Manifest manifest) {
    List<Manifest.Run> runs = manifest.runs();
    String folder = runs.isEmpty() ? null : runs.get(runs.size() - 1).settings().get("model");
    return folder == null ? "model" : folder.substring(folder.lastIndexOf('/') + 1);
  }

  /** Named documents, or all of a run that nobody is writing. */
  private static List<VisibleDocument> documents(StoredOutput stored, List<String> names)
      throws IOException {
    List<VisibleDocument> documents = new ArrayList<>();
    for (String name : new LinkedHashSet<>(names)) {
      documents.add(stored.document(name));
    }
    if (!names.isEmpty()) {
      return documents;
    }
    Optional<String> writer = stored.writer();
    if (writer.isPresent()) {
      throw new OutputRefused(
          "Cannot export all documents of "
              + stored.root()
              + ": the run is not finished, "
              + writer.get()
              + "; wait for it or run it again, or name finished documents with --doc");
    }
    documents.addAll(stored.documents());
    if (documents.isEmpty()) {
      throw new OutputRefused(
          "Cannot export " + stored.root() + ": it has no finished document; see inspect");
    }
    return documents;
  }

  private List<ExportedDocument> run(SparkSession spark) throws IOException {
    JavaSparkContext sparkContext = JavaSparkContext.fromSparkContext(spark.sparkContext());
    ExportTask.Source source =
        new ExportTask.Source(
            stored.root(), stored.manifest().json(), destination.root(), format.name(), context);
    ExportTask task =
        new ExportTask(
            sparkContext.broadcast(
                new SerializableConfiguration(spark.sparkContext().hadoopConfiguration())),
            sparkContext.broadcast(JavaBytes.of(source)));
    List<byte[]> items = new ArrayList<>();
    for (VisibleDocument document : documents) {
      items.add(JavaBytes.of(new ExportTask.Item(items.size(), document)));
    }
    String before = sparkContext.getLocalProperty("spark.job.description");
    sparkContext.setJobDescription(
        "export of " + items.size() + " documents to " + format.name() + " files");
    List<ExportTask.Outcome> outcomes;
    try {
      outcomes =
          sparkContext.parallelize(items, items.size()).map(task).collect().stream()
              .map(bytes -> JavaBytes.read(bytes, ExportTask.Outcome.class))
              .toList();
    } finally {
      sparkContext.setJobDescription(before);
    }
    List<String> failures =
        outcomes.stream().map(ExportTask.Outcome::failure).filter(Objects::nonNull).toList();
    if (!failures.isEmpty()) {
      throw new IOException(
          "Cannot export "
              + failures.get(0)
              + (failures.size() == 1 ? "" : " (and " + (failures.size() - 1) + " more failed)")
              + "; nothing was exported");
    }
    return outcomes.stream().map(ExportTask.Outcome::written).toList();
  }

  /** What was exported, from what, and for which engine. */
  private String json(List<ExportedDocument> written) throws IOException {
    ObjectNode json = JSON.createObjectNode();
    json.put("format", format.name()).put("engine", format.engine());
    json.put("model_name", context.model());
    ObjectNode settings = json.putObject("settings");
    context.options().forEach(settings::put);
    json.put("output", stored.root()).put("fingerprint", context.fingerprint());
    ObjectNode identity = json.putObject("identity");
    new TreeMap<>(context.identity()).forEach(identity::put);
    ArrayNode list = json.putArray("documents");
    for (ExportedDocument document : written) {
      ObjectNode entry = list.addObject();
      entry.put("doc_id", document.docId()).put("run_id", document.runId());
      entry.put("tokens", document.tokens());
      ArrayNode files = entry.putArray("files");
      document.files().forEach(file -> files.add(file.path()));
    }
    return JSON.writeValueAsString(json) + "\n";
  }
}
