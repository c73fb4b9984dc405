package io.sparsefill.job.command;

import io.sparsefill.job.history.History;
import io.sparsefill.job.history.HistoryPage;
import io.sparsefill.job.history.HistoryText;
import io.sparsefill.job.run.OptionValues;
import io.sparsefill.job.run.RunOption;
import io.sparsefill.job.run.SessionScope;
import io.sparsefill.job.run.UsageException;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code sparsefill history}: the runs over an output folder, over time. */
@Command(
    name = "history",
    description = {
      "Lists the runs over --output: documents, tokens, errors, seconds, idle engines, bytes, cost.",
      "With --html, writes a page with charts too. Needs no Spark session."
    },
    mixinStandardHelpOptions = true)
final class HistoryCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Mixin private GpuPrice price;

  @Option(
      names = "--html",
      paramLabel = "FILE",
      description = "page to write; an existing file is replaced")
  private Path html;

  private HistoryCommand() {}

  static CommandLine line() {
    return SharedOptions.line(new HistoryCommand(), List.of(RunOption.OUTPUT));
  }

  @Override
  public Integer call() throws IOException {
    OptionValues values = SharedOptions.values(spec);
    String output = values.required(RunOption.OUTPUT);
    History history = History.read(SessionScope.hadoopConfiguration(), output, price.perHour());
    PrintWriter out = spec.commandLine().getOut();
    HistoryText.lines(history).forEach(out::println);
    if (html != null) {
      write(HistoryPage.of(history).html());
      out.println("Page: " + html);
    }
    out.println(HistoryText.json(history));
    out.flush();
    return ExitCode.DONE;
  }

  private void write(String page) {
    try {
      Files.writeString(html, page);
    } catch (IOException e) {
      throw new UsageException("Cannot write --html " + html + ": " + e, e);
    }
  }
}
