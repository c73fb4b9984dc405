package io.sparsefill.job.output;

import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.JavaBytes;
import io.sparsefill.job.output.RetentionPlan.WavePlan;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.Function;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.util.SerializableConfiguration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Removes superseded caches: those of contents that are not a document's newest, what documents
 * that failed half-way left, and, if a list of documents is given, those of all others.
 *
 * <p>Waves are the unit, as they are of commits. Of a wave that has superseded rows, the others are
 * copied into a wave of a new run, whose one atomic commit makes them the newest of their
 * documents; the old wave is then no more part of the output. Its files stay for readers that have
 * begun: after the grace time its documents file is deleted, so that nobody begins with it any
 * more, and after as long again the other files ({@link OutputFolder}). A crash between any two
 * steps leaves a folder in which every document is whole; whoever opens it next goes on.
 */
public final class Retention {
  private static final Logger log = LoggerFactory.getLogger(Retention.class);

  private Retention() {}

  /**
   * What goes, and when.
   *
   * @param listed names of the documents that stay, or null for all
   * @param leastShare a wave is copied if at least this share of its tokens goes, 0 to 1; one that
   *     goes altogether needs no copy
   * @param grace how long readers may go on with what they have begun
   */
  public record Options(Set<String> listed, double leastShare, Duration grace) {
    /** Copies the names. */
    public Options {
      listed = listed == null ? null : Set.copyOf(listed);
    }
  }

  /** Copies what stays of a wave into staged files. */
  @FunctionalInterface
  interface Copier {
    List<TaskOutput> copy(List<FileCopy> copies, String runId, int wave) throws IOException;
  }

  /**
   * Says what would be removed; changes nothing.
   *
   * @throws OutputRefused when the folder holds no output
   */
  public static RetentionReport plan(Configuration conf, String output, Options options)
      throws IOException {
    Storage storage = OutputFolder.storage(conf, output);
    Manifest manifest = manifest(storage, output);
    RetentionReport report = RetentionReport.planned(output, options.grace());
    for (WavePlan wave :
        wanted(RetentionPlan.of(storage, manifest, options.listed()), manifest, options)) {
      report = report.plus(wave, 0);
    }
    return report;
  }

  /**
   * Removes, by a Spark job for each wave that is copied, with a task for each task that wrote it.
   *
   * @throws OutputRefused when the folder holds no output, or is in use
   */
  public static RetentionReport run(SparkSession spark, String output, Options options, Claim claim)
      throws IOException {
    Configuration conf = spark.sparkContext().hadoopConfiguration();
    Storage storage = OutputFolder.storage(conf, output);
    Manifest manifest = manifest(storage, output);
    try (OutputFolder folder =
        OutputFolder.open(
            conf,
            output,
            manifest.identity(),
            OutputFolder.newRunId(conf, output),
            settings(manifest),
            claim)) {
      return run(folder, storage, options, copier(spark, storage));
    }
  }

  /** With the folder open, and whoever copies. */
  static RetentionReport run(OutputFolder folder, Storage storage, Options options, Copier copier)
      throws IOException {
    long started = System.nanoTime();
    RetentionReport report = RetentionReport.done(folder.path(), options.grace());
    RetentionPlan plan = RetentionPlan.of(storage, folder.manifest(), options.listed());
    int copied = 0;
    for (WavePlan wave : wanted(plan, folder.manifest(), options)) {
      log.info(
          "Wave {} of run {}: {} of {} rows stay",
          wave.key().wave(),
          wave.key().runId(),
          wave.kept(),
          wave.rows());
      long bytes = 0;
      if (wave.kept() == 0) {
        folder.retire(wave.key(), options.grace());
      } else {
        copied++;
        List<TaskOutput> outputs = new ArrayList<>();
        List<DocumentRow> rows = plan.kept(wave.files());
        outputs.add(TaskOutput.ofDocuments(rows.stream().map(row -> of(row, folder)).toList()));
        outputs.addAll(copier.copy(copies(wave.files(), rows), folder.runId(), copied));
        bytes =
            folder.commitCopy(copied, outputs, wave.key(), options.grace()).files().stream()
                .mapToLong(StoredFile::bytes)
                .sum();
      }
      report = report.plus(wave, bytes);
    }
    report = report.withDeleted(folder.deleteRetired());
    if (report.hasChanged()) { // else every scheduled run would have a second line in the history
      folder.recordEnd(RunRecord.DONE, null, (System.nanoTime() - started) / 1e9);
    }
    return report;
  }

  private static Manifest manifest(Storage storage, String output) throws IOException {
    return ManifestStore.load(storage)
        .orElseThrow(
            () ->
                new OutputRefused(
                    "Cannot remove anything from "
                        + output
                        + ": there is no output in it; check --output"));
  }

  /** Where the documents come from, which is where the newest run had them from. */
  private static Map<String, String> settings(Manifest manifest) {
    List<Manifest.Run> runs = manifest.runs();
    Map<String, String> settings =
        new TreeMap<>(runs.isEmpty() ? Map.of() : runs.get(runs.size() - 1).settings());
    settings.put(Manifest.COMMAND, "retain");
    return settings;
  }

  private static List<WavePlan> wanted(RetentionPlan plan, Manifest manifest, Options options)
      throws IOException {
    return plan.waves(manifest).stream()
        .filter(wave -> wave.kept() == 0 || wave.share() >= options.leastShare())
        .toList();
  }

  private static DocumentRow of(DocumentRow row, OutputFolder folder) {
    return new DocumentRow(
        row.docId(),
        row.source(),
        row.contentSha256(),
        row.tokenCount(),
        row.status(),
        row.error(),
        row.attention(),
        row.density(),
        row.prefillSeconds(),
        row.device(),
        row.fingerprint(),
        folder.runId());
  }

  private static List<FileCopy> copies(List<StoredFile> files, List<DocumentRow> rows) {
    Set<String> documents = new HashSet<>();
    for (DocumentRow row : rows) {
      if (row.status().isPrefilled()) {
        documents.add(row.docId());
      }
    }
    Map<Integer, List<StoredFile>> byTask = new TreeMap<>();
    for (StoredFile file : files) {
      if (file.table() != Table.DOCUMENTS) {
        byTask.computeIfAbsent(FileNames.partition(file), p -> new ArrayList<>()).add(file);
      }
    }
    List<FileCopy> copies = new ArrayList<>();
    byTask.forEach((partition, own) -> copies.add(new FileCopy(partition, own, documents)));
    return copies;
  }

  private static Copier copier(SparkSession spark, Storage storage) {
    JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    Broadcast<SerializableConfiguration> conf =
        context.broadcast(new SerializableConfiguration(storage.conf()));
    return (copies, runId, wave) -> {
      List<byte[]> work = copies.stream().map(JavaBytes::of).toList();
      if (work.isEmpty()) { // a wave of documents without rows in other tables
        return List.of();
      }
      spark.sparkContext().setJobDescription("copying what stays of wave " + wave);
      try {
        return context
            .parallelize(work, work.size())
            .map(new Task(conf, storage.root(), runId, wave))
            .collect()
            .stream()
            .map(bytes -> JavaBytes.read(bytes, TaskOutput.class))
            .sorted(Comparator.comparingInt(TaskOutput::partition))
            .toList();
      } finally {
        spark.sparkContext().setJobDescription(null);
      }
    };
  }

  private record Task(
      Broadcast<SerializableConfiguration> conf, String output, String runId, int wave)
      implements Function<byte[], byte[]> {
    @Override
    public byte[] call(byte[] copy) throws IOException {
      Storage storage = new Storage(conf.value().value(), output);
      return JavaBytes.of(
          JavaBytes.read(copy, FileCopy.class)
              .to(storage, runId, wave, TaskContext.get().taskAttemptId()));
    }
  }
}
