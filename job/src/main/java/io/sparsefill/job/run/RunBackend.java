package io.sparsefill.job.run;

import com.sun.management.OperatingSystemMXBean;
import io.sparsefill.job.output.OutputFolder;
import io.sparsefill.kernels.cuda.CudaDevice;
import io.sparsefill.udf.BackendChoice;
import io.sparsefill.udf.Engine;
import io.sparsefill.udf.model.ModelConfig;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one backend that computes a run and all documents of its output folder, because cpu (fp32)
 * and cuda (bf16) give different numbers. It is decided before the first task: {@code auto} goes on
 * with what the folder's documents were pre-filled by, and else asks the executors, who must agree.
 */
public final class RunBackend {
  private static final Logger log = LoggerFactory.getLogger(RunBackend.class);

  /** Between name and reason of an executor's answer. */
  private static final String SEPARATOR = "\n";

  private RunBackend() {}

  /**
   * Decides.
   *
   * @throws UsageException if the folder's documents are another backend's, if executors differ, if
   *     this machine computes and cannot, if it does not have the attention, if a cluster is to use
   *     GPUs that Spark does not know of, or if a GPU is required and is not everywhere
   * @throws io.sparsefill.job.output.OutputRefused if the output folder holds something else
   */
  public static BackendChoice of(SparkSession spark, RunOptions options, CheckedModel model)
      throws IOException {
    String word = options.compute().backend();
    String output = options.output().path();
    Optional<String> stored = output == null ? Optional.empty() : stored(spark, output);
    if (stored.isEmpty()) {
      return of(spark, options.compute(), model);
    }
    return checked(
        spark,
        continued(word, stored.get(), output, spark.sparkContext().isLocal(), model.config()),
        options.compute(),
        model,
        slots(spark, model));
  }

  /**
   * Decides where no output folder does.
   *
   * @throws UsageException as the other
   */
  public static BackendChoice of(
      SparkSession spark, RunOptions.Compute compute, CheckedModel model) {
    Slots slots = slots(spark, model);
    return checked(spark, choose(spark, compute.backend(), model, slots), compute, model, slots);
  }

  private static Slots slots(SparkSession spark, CheckedModel model) {
    return new Slots(() -> answers(spark, model.folder().toString()));
  }

  private static BackendChoice checked(
      SparkSession spark,
      BackendChoice choice,
      RunOptions.Compute compute,
      CheckedModel model,
      Slots slots) {
    boolean here = spark.sparkContext().isLocal();
    refuseOtherAttention(choice, model);
    if (choice.name().equals("cuda") && !here) {
      PrefillTasks.refuseWithoutGpus(spark.sparkContext().getConf());
    }
    if (compute.requireGpu()) {
      requireGpu(choice, here ? List.of() : slots.answers());
    }
    log.info("Backend of this run: {}", choice);
    return choice;
  }

  /** An attention that one backend alone has must not fail in the tasks. */
  static void refuseOtherAttention(BackendChoice choice, CheckedModel model) {
    try {
      model.attention().checkBackend(choice.name());
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
  }

  /** What the slots of executors could take, who are asked once if at all. */
  private static final class Slots {
    private final Supplier<List<BackendChoice>> ask;
    private List<BackendChoice> answers;

    Slots(Supplier<List<BackendChoice>> ask) {
      this.ask = ask;
    }

    List<BackendChoice> answers() {
      if (answers == null) {
        answers = ask.get();
      }
      return answers;
    }
  }

  private static BackendChoice choose(
      SparkSession spark, String word, CheckedModel model, Slots slots) {
    if (spark.sparkContext().isLocal()) {
      return here(word, model.config());
    }
    return word.equals("auto") ? agreed(slots.answers()) : new BackendChoice(word, "as asked for");
  }

  private static Optional<String> stored(SparkSession spark, String output) throws IOException {
    return OutputFolder.identity(spark.sparkContext().hadoopConfiguration(), output)
        .map(identity -> identity.get(CheckedModel.BACKEND));
  }

  /** The backend of a folder's documents, if {@code --backend} allows it. */
  static BackendChoice continued(
      String word, String stored, String output, boolean local, ModelConfig config) {
    if (!word.equals("auto") && !word.equals(stored)) {
      throw new UsageException(
          "Cannot add to %s with --backend %s: its documents were pre-filled by %s, whose numbers are others; use --backend %s or auto, or choose another --output"
              .formatted(output, word, stored, stored));
    }
    if (local) {
      BackendChoice able = Engine.backend("auto", config);
      if (stored.equals("cuda") && !able.name().equals(stored)) {
        throw new UsageException(
            "Cannot add to %s: its documents were pre-filled by cuda, and this machine can only take %s; run it where there is a GPU, or choose another --output"
                .formatted(output, able));
      }
    }
    return new BackendChoice(stored, "as the documents in " + output);
  }

  /** For a session whose tasks run in this process. */
  private static BackendChoice here(String word, ModelConfig config) {
    try {
      return Engine.backend(word, config);
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
  }

  /**
   * What {@code auto} means where tasks run: one answer for each slot, so that all executors are
   * asked.
   */
  static List<BackendChoice> answers(SparkSession spark, String model) {
    JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    PrefillTasks tasks = PrefillTasks.of(spark);
    context.setJobDescription("asking executors for their backend");
    try {
      JavaRDD<Integer> slots =
          context.parallelize(IntStream.range(0, tasks.slots()).boxed().toList(), tasks.slots());
      return tasks.on(slots.map(slot -> answer(model))).collect().stream()
          .map(text -> text.split(SEPARATOR, 2))
          .map(parts -> new BackendChoice(parts[0], parts[1]))
          .toList();
    } finally {
      context.setJobDescription(null);
    }
  }

  /** Text, which every serializer that Spark may be set to can carry. */
  private static String answer(String model) {
    BackendChoice choice = Engine.backend("auto", ModelConfig.read(Path.of(model)));
    return choice.name() + SEPARATOR + choice.why();
  }

  /** The answer that all executors give. */
  static BackendChoice agreed(List<BackendChoice> answers) {
    Map<String, List<BackendChoice>> byName =
        answers.stream()
            .collect(Collectors.groupingBy(BackendChoice::name, TreeMap::new, Collectors.toList()));
    if (byName.size() > 1) {
      String counts =
          byName.entrySet().stream()
              .map(
                  entry ->
                      "%d of %d task slots take %s"
                          .formatted(
                              entry.getValue().size(), answers.size(), entry.getValue().get(0)))
              .collect(Collectors.joining(", "));
      throw new UsageException(
          "Cannot choose a backend for the whole run: "
              + counts
              + ", and their numbers differ; give --backend "
              + String.join(" or ", byName.keySet()));
    }
    return answers.get(0);
  }

  /**
   * Refuses the CPU. Executors that come later cannot fall back either: a run's backend is fixed,
   * and an engine that cannot have it fails its task.
   *
   * @param answers what each slot of executors could take
   * @throws UsageException naming why not
   */
  static void requireGpu(BackendChoice choice, List<BackendChoice> answers) {
    if (!choice.name().equals("cuda")) {
      throw new UsageException(
          "Cannot run with --require-gpu: the run would compute on %s; use --backend cuda where there is a GPU, or leave --require-gpu out"
              .formatted(choice));
    }
    List<BackendChoice> without =
        answers.stream().filter(answer -> !answer.name().equals("cuda")).toList();
    if (!without.isEmpty()) {
      throw new UsageException(
          "Cannot run with --require-gpu: %d of %d task slots can only take %s; give executors GPUs (spark.executor.resource.gpu.amount), or leave --require-gpu out"
              .formatted(without.size(), answers.size(), without.get(0)));
    }
  }

  /** Memory that a backend can have on this machine: the GPU's, or what the heap leaves. */
  static long deviceBytes(String backend) {
    if (backend.equals("cuda")) {
      return CudaDevice.first().totalBytes();
    }
    OperatingSystemMXBean machine =
        (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    return machine.getTotalMemorySize() - Runtime.getRuntime().maxMemory();
  }
}
