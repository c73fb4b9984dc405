package io.sparsefill.job.command;

import io.sparsefill.job.output.Claim;
import io.sparsefill.job.output.Retention;
import io.sparsefill.job.output.RetentionReport;
import io.sparsefill.job.run.OptionValues;
import io.sparsefill.job.run.RunOption;
import io.sparsefill.job.run.RunOptions;
import io.sparsefill.job.run.SessionScope;
import io.sparsefill.job.run.UsageException;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code sparsefill retain}: removes superseded caches from an output folder. */
@Command(
    name = "retain",
    description = {
      "Removes caches from --output that are not their document's newest, and what failed documents left.",
      "Readers see every document whole at any moment; files are deleted after --grace-hours."
    },
    mixinStandardHelpOptions = true)
final class RetainCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Option(
      names = "--min-share",
      paramLabel = "SHARE",
      description =
          "leave a wave as it is while less than this share of its tokens is superseded, 0 to 1 (default 0); what stays of the others is copied")
  private double leastShare;

  private RetainCommand() {}

  static CommandLine line() {
    return SharedOptions.line(
        new RetainCommand(),
        List.of(
            RunOption.OUTPUT,
            RunOption.GRACE_HOURS,
            RunOption.BREAK_LOCK,
            RunOption.DRY_RUN,
            RunOption.MASTER));
  }

  @Override
  public Integer call() throws IOException {
    OptionValues values = SharedOptions.values(spec);
    String output = values.required(RunOption.OUTPUT);
    if (!(leastShare >= 0 && leastShare <= 1)) {
      throw new UsageException(
          "Cannot use --min-share " + leastShare + ": accepted is a number from 0 to 1");
    }
    Retention.Options options = new Retention.Options(null, leastShare, RunOptions.grace(values));
    PrintWriter out = spec.commandLine().getOut();
    RetentionReport report =
        values.isOn(RunOption.DRY_RUN)
            ? Retention.plan(SessionScope.hadoopConfiguration(), output, options)
            : run(values, output, options);
    out.println(report.text());
    out.println(report.json());
    out.flush();
    return ExitCode.DONE;
  }

  private static RetentionReport run(OptionValues values, String output, Retention.Options options)
      throws IOException {
    try (SessionScope session =
        SessionScope.open("sparsefill retain", values.text(RunOption.MASTER))) {
      String application = session.spark().sparkContext().applicationId();
      Claim claim = new Claim("retain", application, values.text(RunOption.BREAK_LOCK));
      return Retention.run(session.spark(), output, options, claim);
    }
  }
}
