package io.sparsefill.job.command;

import io.sparsefill.job.run.Run;
import io.sparsefill.job.run.RunOption;
import io.sparsefill.job.run.RunOptions;
import io.sparsefill.job.run.RunSummary;
import io.sparsefill.job.run.SessionScope;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code sparsefill run}: documents in, tables out. */
@Command(
    name = "run",
    description = {
      "Pre-fills the documents of --input through the model in --model and writes KV caches and logits to --output.",
      "The same command again skips what is done. Every option is also a Spark configuration key, spark.sparsefill.OPTION."
    },
    mixinStandardHelpOptions = true)
final class RunCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  private RunCommand() {}

  static CommandLine line() {
    return SharedOptions.line(new RunCommand(), List.of(RunOption.values()));
  }

  @Override
  public Integer call() throws IOException {
    RunOptions options = RunOptions.of(SharedOptions.values(spec));
    PrintWriter out = spec.commandLine().getOut();
    try (SessionScope session = SessionScope.open("sparsefill run", options.master())) {
      if (options.dryRun()) {
        PlanCommand.print(Run.plan(session.spark(), options), out);
        return ExitCode.DONE;
      }
      RunSummary summary = Run.execute(session.spark(), options, out);
      out.println(summary.toJson());
      out.flush();
      return exitCode(summary, options);
    }
  }

  /** The code of a run that ended by itself. */
  static int exitCode(RunSummary summary, RunOptions options) {
    if (summary.errorRateExceeded()) {
      return ExitCode.ERROR_RATE;
    }
    return options.limits().strict() && summary.failed() > 0 ? ExitCode.PROBLEMS : ExitCode.DONE;
  }
}
