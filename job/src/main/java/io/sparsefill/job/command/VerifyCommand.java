package io.sparsefill.job.command;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparsefill.job.output.Inspection;
import io.sparsefill.job.output.Verification;
import io.sparsefill.job.output.VerifyOptions;
import io.sparsefill.job.output.VerifyReport;
import io.sparsefill.job.run.OptionValues;
import io.sparsefill.job.run.RunOption;
import io.sparsefill.job.run.SessionScope;
import io.sparsefill.job.run.StoredRun;
import io.sparsefill.kernels.cuda.CudaBackend;
import io.sparsefill.udf.Engine;
import io.sparsefill.udf.ExecutorEngines;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code sparsefill verify}: reads an output folder again and says whether all is well. */
@Command(
    name = "verify",
    description = {
      "Reads all tables of --output again: counts, checksums, completeness of every document.",
      "Pre-fills a sample of documents again and compares; --model says where the model is if it has moved.",
      "Exit code 3 when anything is wrong."
    },
    mixinStandardHelpOptions = true)
final class VerifyCommand implements Callable<Integer> {
  private static final int SAMPLE = 3;

  @Spec private CommandSpec spec;

  @Option(
      names = "--sample",
      paramLabel = "N",
      description = "documents to pre-fill again (default " + SAMPLE + ")")
  private Integer sample;

  @Option(names = "--seed", paramLabel = "N", description = "chooses the sample (default 1)")
  private long seed = 1;

  @Option(
      names = "--exact",
      description = "every KV block must have the same bytes: same device, version and threads")
  private boolean exact;

  private VerifyCommand() {}

  static CommandLine line() {
    return SharedOptions.line(
        new VerifyCommand(),
        List.of(
            RunOption.OUTPUT,
            RunOption.MODEL,
            RunOption.PATTERNS,
            RunOption.BACKEND,
            RunOption.WEIGHTS,
            RunOption.MASTER));
  }

  @Override
  public Integer call() throws IOException {
    OptionValues values = SharedOptions.values(spec);
    String output = values.required(RunOption.OUTPUT);
    PrintWriter out = spec.commandLine().getOut();
    try (SessionScope session =
        SessionScope.open("sparsefill verify", values.text(RunOption.MASTER))) {
      StoredRun stored =
          new StoredRun(
              Inspection.report(session.spark().sparkContext().hadoopConfiguration(), output)
                  .manifest(),
              values);
      VerifyReport report = verify(session.spark(), output, stored, out);
      out.println(report.text());
      out.println(json(report, output));
      out.flush();
      return report.ok() ? ExitCode.DONE : ExitCode.PROBLEMS;
    }
  }

  private VerifyReport verify(SparkSession spark, String output, StoredRun stored, PrintWriter out)
      throws IOException {
    int documents = documentsToPrefill(stored, out);
    VerifyOptions standard = VerifyOptions.sample(documents);
    VerifyOptions options =
        new VerifyOptions(
            documents,
            seed,
            exact,
            standard.tolerance(),
            standard.logTolerance(),
            standard.listed());
    if (documents == 0) {
      return Verification.run(spark, output, options, null);
    }
    // The sample is pre-filled here on the driver, one document after the other.
    int threads = Runtime.getRuntime().availableProcessors();
    ExecutorEngines.ofThisJvm().close(); // of a run before in this process, which may fill the GPU
    try (Engine engine = Engine.open(stored.engine(threads))) {
      return Verification.run(spark, output, options, engine::prefill);
    }
  }

  /**
   * What was asked for; if nothing was, a few documents unless model or GPU of the run are gone.
   */
  private int documentsToPrefill(StoredRun stored, PrintWriter out) {
    if (sample != null) {
      return sample;
    }
    boolean model = spec.findOption(RunOption.MODEL.flag()).getValue() != null;
    if (!model && (stored.model() == null || !Files.isDirectory(Path.of(stored.model())))) {
      out.println(
          "No document is pre-filled again: the model of the run is not at "
              + stored.model()
              + "; give it as --model");
      return 0;
    }
    boolean backend = spec.findOption(RunOption.BACKEND.flag()).getValue() != null;
    Optional<String> noGpu = CudaBackend.unavailable();
    if (!backend && stored.backend().equals("cuda") && noGpu.isPresent()) {
      out.println(
          "No document is pre-filled again: the run's were by cuda, and here "
              + noGpu.get()
              + "; give --backend cpu to compare with its numbers");
      return 0;
    }
    return SAMPLE;
  }

  private static ObjectNode json(VerifyReport report, String output) {
    ObjectNode json = new ObjectMapper().createObjectNode();
    json.put("ok", report.ok());
    long problems = report.checks().stream().mapToLong(VerifyReport.Check::problems).sum();
    json.put("checks", report.checks().size());
    json.put("problems", problems);
    json.put("recomputed", report.samples().size());
    json.put("output", output);
    return json;
  }
}
