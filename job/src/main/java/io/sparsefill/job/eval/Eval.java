package io.sparsefill.job.eval;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparsefill.job.JavaBytes;
import io.sparsefill.job.eval.task.Haystack;
import io.sparsefill.job.eval.task.Samples;
import io.sparsefill.job.eval.task.Task;
import io.sparsefill.job.run.CheckedModel;
import io.sparsefill.job.run.PrefillTasks;
import io.sparsefill.job.run.RunBackend;
import io.sparsefill.job.run.RunOptions;
import io.sparsefill.job.run.UsageException;
import io.sparsefill.kernels.attention.AttentionPlan;
import io.sparsefill.udf.model.Checkpoint;
import io.sparsefill.udf.text.SharedTokenizer;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An evaluation: checks on the driver, one Spark job over all samples that a folder lacks, and
 * their rows stored as they come.
 */
public final class Eval {
  private static final Logger log = LoggerFactory.getLogger(Eval.class);

  /** What a crash may cost, unless storing takes long. */
  private static final long STORE_NANOSECONDS = 2_000_000_000L;

  /** Between two writes of all rows is that many times as long as the first of them took. */
  private static final int STORE_PAUSE = 20;

  private static final long POLL_MILLISECONDS = 200;

  private final SparkSession spark;
  private final EvalOptions options;
  private final EvalFolder folder;
  private final EvalResults results;

  private Eval(SparkSession spark, EvalOptions options, EvalFolder folder, EvalResults results) {
    this.spark = spark;
    this.options = options;
    this.folder = folder;
    this.results = results;
  }

  /**
   * Evaluates.
   *
   * @param report takes a table for people
   * @return totals, and {@code failed}, how many samples have an error
   * @throws UsageException if an option, the model, the texts or the output folder cannot be used;
   *     nothing was computed
   * @throws io.sparsefill.job.output.OutputRefused if another evaluation writes to that folder
   */
  public static ObjectNode execute(SparkSession spark, EvalOptions given, PrintWriter report)
      throws IOException {
    long started = System.nanoTime();
    Configuration hadoop = spark.sparkContext().hadoopConfiguration();
    RunOptions.Compute first = compute(given, given.modes().get(0), given.compute().backend());
    CheckedModel model = CheckedModel.open(given.model(), first, given.bos());
    String patterns = patterns(given, model, first);
    List<AttentionPlan> plans = new ArrayList<>();
    for (String mode : given.modes()) {
      plans.add(plan(mode, patterns, model));
    }
    Haystack haystack = given.texts() == null ? null : Texts.read(hadoop, given.texts());
    checkSamples(given, haystack);
    Asked asked = new Asked(given, model, patterns, plans, haystack);
    try (EvalFolder folder = EvalFolder.open(hadoop, given.output())) {
      return execute(spark, asked, folder, report, started);
    }
  }

  /** What was asked for, as far as it could be checked without the output folder. */
  private record Asked(
      EvalOptions options,
      CheckedModel model,
      String patterns,
      List<AttentionPlan> plans,
      Haystack haystack) {}

  private static ObjectNode execute(
      SparkSession spark, Asked asked, EvalFolder folder, PrintWriter report, long started)
      throws IOException {
    EvalOptions given = asked.options;
    CheckedModel model = asked.model;
    Haystack haystack = asked.haystack;
    Map<String, String> stored = folder.settings();
    String word = given.compute().backend();
    if (word.equals("auto")) {
      word = stored.getOrDefault(EvalSettings.BACKEND, word);
    }
    String backend = RunBackend.of(spark, compute(given, given.modes().get(0), word), model).name();
    for (AttentionPlan plan : asked.plans) {
      checkBackend(plan, backend);
    }
    EvalOptions options = on(given, backend);
    Map<String, String> settings =
        EvalSettings.of(options, model, Checkpoint.identity(model.folder()), haystack);
    EvalSettings.refuseOthers(stored, settings, given.output());
    EvalResults results = EvalResults.read(folder);

    PrefillTasks tasks = PrefillTasks.of(spark);
    ArrayList<EvalMode> modes = new ArrayList<>();
    for (AttentionPlan plan : asked.plans) {
      String file = AttentionPlan.readsPatterns(plan.name()) ? asked.patterns : null;
      modes.add(EvalMode.of(model.folder().toString(), options, plan, file, tasks.threads()));
    }
    results.refuseOtherPatterns(modes, given.output());
    Map<String, String> both = new TreeMap<>(stored);
    both.putAll(settings);
    folder.settings(both);
    warn(options, model);

    EvalJob job =
        new EvalJob(
            UUID.randomUUID(),
            model.folder().toString(),
            options.bos(),
            options.wording(),
            haystack,
            options.questions(),
            options.seed(),
            modes);
    int texts = haystack == null ? 0 : haystack.texts().size();
    int computed;
    try {
      computed = new Eval(spark, options, folder, results).compute(job, tasks, texts, model);
    } finally {
      ModeEngines.closeUnclaimed(); // in local mode they are this process's
    }
    double seconds = (System.nanoTime() - started) / 1e9;
    EvalSummary summary =
        EvalSummary.of(
            folder,
            both,
            model.config().maxPositions(),
            options.modes(),
            results,
            computed,
            seconds);
    folder.text("summary.json", summary.toJson().toPrettyString() + "\n");
    folder.text(
        "report.html", EvalReport.of(summary, model.folder().getFileName().toString()).html());
    if (!options.tasks().isEmpty()) {
      report.println(summary.table());
    }
    if (!summary.fidelity().isEmpty()) {
      report.println(summary.fidelityTable());
    }
    return summary.totals();
  }

  private static RunOptions.Compute compute(EvalOptions options, String mode, String backend) {
    RunOptions.Compute given = options.compute();
    return new RunOptions.Compute(
        mode,
        AttentionPlan.readsPatterns(mode) ? given.patterns() : null,
        backend,
        given.requireGpu(),
        given.weights(),
        given.ropeFrequencies());
  }

  private static EvalOptions on(EvalOptions given, String backend) {
    return new EvalOptions(
        given.model(),
        given.tasks(),
        given.lengths(),
        given.modes(),
        given.samples(),
        given.depths(),
        given.questions(),
        given.wording(),
        given.texts(),
        given.seed(),
        given.bos(),
        compute(given, given.modes().get(0), backend),
        given.fidelity(),
        given.output(),
        given.master());
  }

  /** Content of the pattern file, which some mode must take. */
  private static String patterns(
      EvalOptions options, CheckedModel model, RunOptions.Compute first) {
    String file = options.compute().patterns();
    if (file == null || first.patterns() != null) {
      return model.patternsJson();
    }
    for (String mode : options.modes()) {
      if (AttentionPlan.readsPatterns(mode)) {
        return CheckedModel.open(
                options.model(), compute(options, mode, first.backend()), options.bos())
            .patternsJson();
      }
    }
    throw new UsageException(
        "Cannot use --patterns %s: none of the modes %s takes a pattern for each head; add minference, or leave it out"
            .formatted(file, String.join(", ", options.modes())));
  }

  private static AttentionPlan plan(String mode, String patterns, CheckedModel model) {
    try {
      return AttentionPlan.parse(
          mode,
          AttentionPlan.readsPatterns(mode) ? patterns : null,
          model.config().layers(),
          model.config().heads());
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
  }

  private static void checkBackend(AttentionPlan plan, String backend) {
    try {
      plan.checkBackend(backend);
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
  }

  /**
   * Tasks that could make no sample at all are no failures of samples: makes the shortest of each
   * task that needs a text where there is none, and sees that there may be so many questions.
   */
  private static void checkSamples(EvalOptions options, Haystack haystack) {
    if (options.tasks().isEmpty()) {
      return;
    }
    int shortest = Collections.min(options.lengths());
    try (SharedTokenizer tokenizer = SharedTokenizer.acquire(options.model(), options.bos())) {
      Samples samples =
          new Samples(
              options.wording(),
              haystack,
              text -> tokenizer.tokenizer().encode(text).length,
              options.questions());
      for (Task task : options.tasks()) {
        if (task == Task.PPL && haystack == null) {
          samples.perplexity(0, shortest);
        } else if (task != Task.PPL) {
          samples.sample(task, shortest, OptionalDouble.empty(), options.seed());
        }
      }
    } catch (IllegalArgumentException e) {
      String more =
          haystack == null && e.getMessage().endsWith("give text files") ? " by --texts" : "";
      throw new UsageException(e.getMessage() + more, e);
    }
  }

  private static void warn(EvalOptions options, CheckedModel model) {
    int most = model.config().maxPositions();
    for (int length : options.lengths()) {
      if (length > most) {
        log.warn(
            "Samples of {} tokens are longer than the {} that the model is made for", length, most);
      }
    }
  }

  /** Computes what is missing; returns how many rows came. */
  private int compute(EvalJob job, PrefillTasks tasks, int texts, CheckedModel model)
      throws IOException {
    JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    Broadcast<byte[]> shared = context.broadcast(JavaBytes.of(job));
    try {
      int rows = answer(job, shared, tasks, texts);
      return options.fidelity() == null ? rows : rows + compare(job, shared, tasks, model);
    } finally {
      shared.destroy();
    }
  }

  private int answer(EvalJob job, Broadcast<byte[]> shared, PrefillTasks tasks, int texts)
      throws IOException {
    List<byte[]> missing = new ArrayList<>();
    for (EvalUnit unit : EvalUnit.of(options, texts)) {
      ArrayList<Integer> modes = new ArrayList<>();
      for (int m = 0; m < job.modes().size(); m++) {
        if (!results.isDone(unit, job.modes().get(m))) {
          modes.add(m);
        }
      }
      if (!modes.isEmpty()) {
        missing.add(JavaBytes.of(new EvalTask.Work(unit, modes)));
      }
    }
    if (missing.isEmpty()) {
      log.info("All samples that are asked for are in {} already", folder.path());
      return 0;
    }
    JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    return run(
        "evaluating %,d samples".formatted(missing.size()),
        tasks.on(context.parallelize(missing, missing.size()).map(new EvalTask(shared, job.id()))));
  }

  private int compare(EvalJob job, Broadcast<byte[]> shared, PrefillTasks tasks, CheckedModel model)
      throws IOException {
    EvalMode dense =
        EvalMode.of(job.model(), options, plan("dense", null, model), null, tasks.threads());
    FidelityTask.Asked asked = new FidelityTask.Asked(dense, options.fidelity().positions());
    try (FidelityJob documents = FidelityJob.read(spark, options.fidelity(), model)) {
      return run(
          "comparing modes with dense attention",
          documents.comparison(shared, job, asked, new HashSet<>(results.fidelityDone()), tasks));
    }
  }

  private int run(String description, JavaRDD<byte[]> work) throws IOException {
    SparkContext context = spark.sparkContext();
    context.setJobDescription(description);
    context.setLocalProperty("spark.job.interruptOnCancel", "true");
    try (UnitJob running = new UnitJob(work)) {
      return store(running, work.getNumPartitions());
    } finally {
      context.setLocalProperty("spark.job.interruptOnCancel", null);
      context.setJobDescription(null);
    }
  }

  /** Takes results until the job ends, and stores them now and then; what came is never lost. */
  private int store(UnitJob job, int units) throws IOException {
    long next = System.nanoTime() + STORE_NANOSECONDS;
    int come = 0;
    int rows = 0;
    int unstored = 0;
    try {
      boolean last = false;
      while (!last) {
        last = job.hasEnded(); // what is polled after that is all there is
        for (UnitResult result = job.poll(last ? 0 : POLL_MILLISECONDS);
            result != null;
            result = job.poll(0)) {
          results.add(result);
          come++;
          rows += result.samples().size() + result.fidelity().size();
          unstored++;
        }
        long now = System.nanoTime();
        if (unstored > 0 && now - next >= 0) {
          results.write(folder);
          unstored = 0;
          long took = System.nanoTime() - now;
          next = System.nanoTime() + Math.max(STORE_NANOSECONDS, STORE_PAUSE * took);
          log.info("{} of {} tasks are stored", come, units);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      InterruptedIOException interrupted =
          new InterruptedIOException("The evaluation was interrupted");
      interrupted.initCause(e);
      throw interrupted;
    } finally {
      if (unstored > 0) {
        results.write(folder);
      }
    }
    job.check();
    return rows;
  }
}
