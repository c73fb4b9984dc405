package io.sparsefill.job.command;

import io.sparsefill.job.output.OutputRefused;
import io.sparsefill.job.run.UsageException;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * The command {@code sparsefill} with its subcommands. An error of usage is one line on standard
 * error and code 2; any other exception is one line there, its stack trace in the log, and code 1.
 */
@Command(
    name = "sparsefill",
    description =
        "Pre-fills long documents through a language model with sparse attention, on Spark.",
    mixinStandardHelpOptions = true,
    versionProvider = SparsefillCommand.Version.class,
    footer = {
      "",
      "Exit codes: 0 done, 1 crash, 2 usage, 3 finished with problems (failed documents",
      "with --strict; verify; demo; eval), 4 more documents failed than --max-error-rate allows."
    })
public final class SparsefillCommand implements Callable<Integer> {
  private static final Logger log = LoggerFactory.getLogger(SparsefillCommand.class);

  private static final String CAUSED_BY = "Caused by: ";

  @Spec private CommandSpec spec;

  private SparsefillCommand() {}

  /**
   * The whole command line, ready to execute.
   *
   * @param out takes reports
   * @param err takes messages
   */
  public static CommandLine commandLine(PrintWriter out, PrintWriter err) {
    CommandLine root = new CommandLine(new SparsefillCommand());
    root.addSubcommand(RunCommand.line());
    root.addSubcommand(PlanCommand.line());
    root.addSubcommand(InspectCommand.line());
    root.addSubcommand(HistoryCommand.line());
    root.addSubcommand(RetainCommand.line());
    root.addSubcommand(VerifyCommand.line());
    root.addSubcommand(ExportCommand.line());
    root.addSubcommand(MakeCalibrationCommand.line());
    root.addSubcommand(SearchPatternsCommand.line());
    root.addSubcommand(DoctorCommand.line());
    root.addSubcommand(DemoCommand.line());
    root.addSubcommand(EvalCommand.line());
    root.setOut(out);
    root.setErr(err);
    root.setUsageHelpLongOptionsMaxWidth(28);
    root.setParameterExceptionHandler(SparsefillCommand::usageError);
    root.setExecutionExceptionHandler((e, line, parsed) -> failed(e, line));
    return root;
  }

  @Override
  public Integer call() {
    spec.commandLine().usage(spec.commandLine().getErr());
    return ExitCode.USAGE;
  }

  private static int usageError(ParameterException e, String[] args) {
    CommandLine line = e.getCommandLine();
    String message = e.getMessage().lines().findFirst().orElse("");
    if (e instanceof UnmatchedArgumentException unmatched) {
      List<String> near = unmatched.getSuggestions();
      message += near.isEmpty() ? "" : "; nearest: " + String.join(", ", near);
    }
    line.getErr()
        .println(
            "sparsefill: "
                + message
                + " (see "
                + line.getCommandSpec().qualifiedName()
                + " --help)");
    line.getErr().flush();
    return ExitCode.USAGE;
  }

  private static int failed(Exception e, CommandLine line) {
    String name = line.getCommandSpec().qualifiedName();
    if (e instanceof UsageException || e instanceof OutputRefused) {
      log.debug("{}: usage", name, e);
      line.getErr().println("sparsefill: " + e.getMessage());
      line.getErr().flush();
      return ExitCode.USAGE;
    }
    log.error("{} ended", name, e);
    line.getErr()
        .println("sparsefill: " + crash(e.getMessage() == null ? e.toString() : e.getMessage()));
    line.getErr().flush();
    return ExitCode.CRASH;
  }

  /**
   * One line of an exception's message: its first and, of the stack trace that Spark puts into the
   * message when a task failed, the innermost cause.
   */
  static String crash(String message) {
    String first = message.lines().findFirst().orElse("");
    String cause =
        message
            .lines()
            .filter(line -> line.startsWith(CAUSED_BY))
            .reduce((outer, inner) -> inner)
            .map(line -> line.substring(CAUSED_BY.length()))
            .orElse("");
    return first.contains(cause) ? first : first + "; caused by " + cause;
  }

  /** The version of the jar. */
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      String version = SparsefillCommand.class.getPackage().getImplementationVersion();
      return new String[] {"sparsefill " + (version == null ? "(not from a jar)" : version)};
    }
  }
}
