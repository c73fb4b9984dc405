package io.sparsefill.job.command;

import io.sparsefill.job.export.Export;
import io.sparsefill.job.export.ExportOptions;
import io.sparsefill.job.export.ExportSummary;
import io.sparsefill.job.run.OptionValues;
import io.sparsefill.job.run.RunOption;
import io.sparsefill.job.run.SessionScope;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code sparsefill export}: stored caches as files of a serving engine. */
@Command(
    name = "export",
    description = {
      "Writes the KV caches in --output as files that an engine reads, a Spark task for each document.",
      "The files appear together in --dest when all are complete, with export.json last."
    },
    mixinStandardHelpOptions = true)
final class ExportCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Option(names = "--to", required = true, paramLabel = "ENGINE", description = "whose files")
  private String to;

  @Option(
      names = "--doc",
      paramLabel = "ID",
      description = "doc_id of a document, several times for several (default: all finished ones)")
  private List<String> documents = List.of();

  @Option(
      names = "--dest",
      required = true,
      paramLabel = "DIR",
      description = "folder for the files; not there yet, or empty")
  private String dest;

  @Option(
      names = "--expect",
      paramLabel = "FILE",
      description =
          "JSON of identity fields that the run must have, or a manifest.json; a difference is refused and named")
  private String expect;

  @Option(
      names = "--model-name",
      paramLabel = "NAME",
      description =
          "the model as the engine knows it (default: the last part of the model folder's path)")
  private String modelName;

  @Option(
      names = "--set",
      paramLabel = "NAME=VALUE",
      description = "a setting of the engine that its files depend on; README lists them")
  private Map<String, String> settings = new LinkedHashMap<>();

  private ExportCommand() {}

  static CommandLine line() {
    return SharedOptions.line(new ExportCommand(), List.of(RunOption.OUTPUT, RunOption.MASTER));
  }

  @Override
  public Integer call() throws IOException {
    OptionValues values = SharedOptions.values(spec);
    ExportOptions options =
        new ExportOptions(
            values.required(RunOption.OUTPUT), to, documents, dest, expect, modelName, settings);
    PrintWriter out = spec.commandLine().getOut();
    try (SessionScope session =
        SessionScope.open("sparsefill export", values.text(RunOption.MASTER))) {
      ExportSummary summary = Export.execute(session.spark(), options);
      out.println(summary.toJson());
      out.flush();
      return ExitCode.DONE;
    }
  }
}
