package io.sparsefill.job.command;

import com.sun.management.OperatingSystemMXBean;
import io.sparsefill.job.run.SessionScope;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.cpu.CpuBackend;
import io.sparsefill.kernels.cpu.OpenBlas;
import io.sparsefill.kernels.cuda.CudaBackend;
import io.sparsefill.kernels.cuda.CudaDevice;
import io.sparsefill.kernels.cuda.CudaFailure;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.Engine;
import io.sparsefill.udf.EngineOptions;
import io.sparsefill.udf.model.Checkpoint;
import io.sparsefill.udf.model.ModelConfig;
import io.sparsefill.udf.model.RopeFrequencies;
import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.TextTokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.spark.api.java.JavaSparkContext;

/** What the doctor looks at, on the driver's machine. */
final class DoctorChecks {
  /** Length of the document whose memory is counted. */
  private static final int TOKENS = 100_000;

  private DoctorChecks() {}

  /**
   * All checks.
   *
   * @param model model folder, or null to leave it out
   * @param output output folder, or null to leave it out
   */
  static List<DoctorCheck> all(SessionScope session, String model, String output) {
    List<DoctorCheck> checks = new ArrayList<>();
    checks.add(java());
    checks.add(vectorModule());
    checks.add(openBlas());
    checks.addAll(gpu());
    checks.add(spark(session));
    checks.add(taskCpus(session));
    checks.add(speculation(session));
    if (model != null) {
      checks.addAll(model(Path.of(model)));
    }
    if (output != null) {
      checks.add(output(session.spark().sparkContext().hadoopConfiguration(), output));
    }
    return checks;
  }

  private static DoctorCheck java() {
    String found = System.getProperty("java.version") + ", " + System.getProperty("java.vm.name");
    int feature = Runtime.version().feature();
    return feature == 17
        ? DoctorCheck.ok("java", found)
        : DoctorCheck.warning("java", found + "; built and tested with 17");
  }

  private static DoctorCheck vectorModule() {
    String module = "jdk.incubator.vector";
    return ModuleLayer.boot().findModule(module).isPresent()
        ? DoctorCheck.ok("vector module", module + " is loaded")
        : DoctorCheck.warning(
            "vector module",
            module
                + " is not loaded, attention runs in plain loops; start Java with --add-modules="
                + module);
  }

  private static DoctorCheck openBlas() {
    String name = "OpenBLAS";
    try {
      OpenBlas.load();
    } catch (LinkageError e) {
      return DoctorCheck.failed(name, "does not load: " + e.getMessage());
    }
    try (CpuBackend backend = new CpuBackend(1)) {
      String hint = OpenBlas.hint();
      return hint.isEmpty()
          ? DoctorCheck.ok(name, backend.device())
          : DoctorCheck.warning(name, hint);
    }
  }

  private static List<DoctorCheck> gpu() {
    String name = "GPU";
    Optional<String> reason = CudaBackend.unavailable();
    if (reason.isPresent()) {
      return List.of(DoctorCheck.ok(name, "none, --backend auto takes the CPU: " + reason.get()));
    }
    try {
      CudaDevice device = CudaDevice.first();
      return List.of(
          DoctorCheck.ok(name, device.device()),
          DoctorCheck.ok(
              "GPU memory",
              "%s, %s of it free now"
                  .formatted(
                      PlanCommand.bytes(device.totalBytes()),
                      PlanCommand.bytes(device.freeBytes()))),
          DoctorCheck.ok("GPU products", device.products()),
          DoctorCheck.ok("GPU attention", device.attention()));
    } catch (CudaFailure e) {
      return List.of(DoctorCheck.failed(name, e.getMessage()));
    }
  }

  private static DoctorCheck spark(SessionScope session) {
    JavaSparkContext spark = JavaSparkContext.fromSparkContext(session.spark().sparkContext());
    List<Integer> numbers = IntStream.range(0, 8).boxed().toList();
    long counted = spark.parallelize(numbers, 2).count();
    String found = session.spark().version() + ", master " + spark.master();
    return counted == numbers.size()
        ? DoctorCheck.ok("Spark", found)
        : DoctorCheck.failed("Spark", found + ": counted " + counted + " of 8 numbers");
  }

  private static DoctorCheck taskCpus(SessionScope session) {
    int cpus = session.taskCpus();
    int cores = Runtime.getRuntime().availableProcessors();
    String found = cpus + " threads for one pre-fill; this machine has " + cores + " cores";
    return cpus == 1 && cores > 1
        ? DoctorCheck.warning(
            "spark.task.cpus",
            found
                + "; each task holds a document's states in memory, so fewer tasks with more"
                + " threads need less of it")
        : DoctorCheck.ok("spark.task.cpus", found);
  }

  private static DoctorCheck speculation(SessionScope session) {
    boolean on = session.spark().sparkContext().getConf().getBoolean("spark.speculation", false);
    return on
        ? DoctorCheck.warning(
            "spark.speculation", "true: slow documents are pre-filled twice; set it to false")
        : DoctorCheck.ok("spark.speculation", "false");
  }

  private static List<DoctorCheck> model(Path folder) {
    List<DoctorCheck> checks = new ArrayList<>();
    try {
      ModelConfig config = ModelConfig.read(folder);
      Checkpoint.open(folder); // checks every tensor's name and shape
      checks.add(
          DoctorCheck.ok(
              "model",
              config.modelType()
                  + ", "
                  + config.layers()
                  + " layers, "
                  + config.heads()
                  + " heads, vocabulary "
                  + config.vocab()
                  + ", up to "
                  + config.maxPositions()
                  + " tokens"));
      checks.add(memory(folder, config));
      if (CudaBackend.unavailable(config.headDim()).isEmpty()) {
        checks.add(gpuMemory(folder));
      }
    } catch (IllegalArgumentException | IOException | UncheckedIOException e) {
      checks.add(DoctorCheck.failed("model", e.getMessage()));
    }
    try (TextTokenizer tokenizer = TextTokenizer.open(folder, BosPolicy.AUTO)) {
      int[] ids = tokenizer.encode("Hello");
      checks.add(
          DoctorCheck.ok(
              "tokenizer", tokenizer.description() + "; 'Hello' is " + ids.length + " tokens"));
    } catch (RuntimeException | LinkageError e) {
      checks.add(DoctorCheck.failed("tokenizer", e.getMessage()));
    }
    return checks;
  }

  /** What the model takes on the GPU. */
  private static DoctorCheck gpuMemory(Path folder) {
    String name = "model on the GPU";
    long has = CudaDevice.first().totalBytes();
    long takes = gpuBytes(folder, "resident");
    String found =
        "weights and a document of %,d tokens take %s, it has %s"
            .formatted(TOKENS, PlanCommand.bytes(takes), PlanCommand.bytes(has));
    return takes <= has
        ? DoctorCheck.ok(name, found)
        : DoctorCheck.warning(
            name,
            "%s; with --weights stream they take %s"
                .formatted(found, PlanCommand.bytes(gpuBytes(folder, "stream"))));
  }

  private static long gpuBytes(Path folder, String weights) {
    EngineOptions options =
        new EngineOptions(
            folder.toString(),
            "cuda",
            weights,
            "minference",
            null,
            EnumSet.of(Emit.KV, Emit.LOGITS),
            1,
            RopeFrequencies.FP32,
            KvDtype.BF16,
            256,
            1);
    return Engine.memoryPlan(options, TOKENS).total();
  }

  /** Weights are fp32 on the CPU, so twice the size of a bf16 or fp16 checkpoint. */
  private static DoctorCheck memory(Path folder, ModelConfig config) throws IOException {
    long stored = 0;
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.filter(f -> f.toString().endsWith(".safetensors")).toList()) {
        stored += Files.size(file);
      }
    }
    long weights = 2 * stored;
    // Hidden states, q or output, k and v of the whole document, two layers of KV on their way out.
    long perToken =
        4L * (config.hiddenSize() + (long) config.heads() * config.headDim())
            + (4L * 2 + 2L * 2 * 2) * config.kvHeads() * config.headDim();
    long total =
        ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getTotalMemorySize();
    long heap = Runtime.getRuntime().maxMemory();
    String found =
        "%s in all, %s of it for the heap; on the CPU weights take %s, %,d tokens %s"
            .formatted(
                PlanCommand.bytes(total),
                PlanCommand.bytes(heap),
                PlanCommand.bytes(weights),
                TOKENS,
                PlanCommand.bytes(TOKENS * perToken));
    if (weights > total - heap) {
      return DoctorCheck.warning("memory", found + "; use --weights stream or a larger machine");
    }
    return DoctorCheck.ok("memory", found);
  }

  /** Makes and removes a file there, and the folder if it was not there. */
  private static DoctorCheck output(Configuration conf, String output) {
    try {
      org.apache.hadoop.fs.Path folder = new org.apache.hadoop.fs.Path(output);
      FileSystem files = folder.getFileSystem(conf);
      boolean existed = files.exists(folder);
      if (!files.mkdirs(folder)) {
        return DoctorCheck.failed("output", "cannot make " + folder);
      }
      org.apache.hadoop.fs.Path probe =
          new org.apache.hadoop.fs.Path(folder, "_doctor-" + UUID.randomUUID());
      files.create(probe, false).close();
      files.delete(probe, false);
      if (!existed) {
        files.delete(folder, false);
      }
      return DoctorCheck.ok("output", folder + " is writable");
    } catch (IOException | IllegalArgumentException e) {
      return DoctorCheck.failed("output", "cannot write to " + output + ": " + e.getMessage());
    }
  }
}
