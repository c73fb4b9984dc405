package io.sparsefill.job.command;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparsefill.job.eval.task.Task;
import io.sparsefill.job.eval.task.Wording;
import io.sparsefill.job.run.OptionValues;
import io.sparsefill.job.run.RunOption;
import io.sparsefill.job.run.UsageException;
import io.sparsefill.job.search.CalibrationFile;
import io.sparsefill.job.search.SearchOptions;
import io.sparsefill.udf.text.BosPolicy;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code sparsefill make-calibration}: samples for {@code search-patterns}, made from a seed. */
@Command(
    name = "make-calibration",
    description = {
      "Makes samples to calibrate with: prompts of retrieval tasks, as long as asked in tokens of --model,",
      "as JSONL for search-patterns --calibration. Needs no Spark session."
    },
    mixinStandardHelpOptions = true)
final class MakeCalibrationCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Option(names = "--output", paramLabel = "FILE", required = true, description = "the JSONL file")
  private String output;

  @Option(
      names = "--lengths",
      paramLabel = "LIST",
      required = true,
      description = "the most tokens of a prompt and its answer, comma-separated")
  private String lengths;

  @Option(
      names = "--samples",
      paramLabel = "N",
      defaultValue = "4",
      description = "samples of each task and length (default 4)")
  private int samples;

  @Option(
      names = "--tasks",
      paramLabel = "LIST",
      defaultValue = "kv",
      description = "tasks of eval, comma-separated (default kv, key-value retrieval)")
  private String tasks;

  @Option(
      names = "--wording",
      paramLabel = "NAME",
      defaultValue = "ruler",
      description = "ruler or plain (default ruler); the bundled model knows plain")
  private String wording;

  @Option(
      names = "--texts",
      paramLabel = "FILE",
      split = ",",
      description = "texts that needles are hidden in, comma-separated")
  private List<Path> texts = List.of();

  @Option(names = "--seed", paramLabel = "N", defaultValue = "1", description = "(default 1)")
  private long seed;

  private MakeCalibrationCommand() {}

  static CommandLine line() {
    return SharedOptions.line(
        new MakeCalibrationCommand(), List.of(RunOption.MODEL, RunOption.BOS));
  }

  @Override
  public Integer call() throws IOException {
    OptionValues values = OptionValues.resolve(SharedOptions.given(spec), Map.of());
    Path model = Path.of(values.required(RunOption.MODEL));
    if (!Files.isDirectory(model)) {
      throw new UsageException("Cannot read model " + model + ": no such folder");
    }
    CalibrationFile file =
        new CalibrationFile(
            read("--tasks", tasks, Task::parse),
            SearchOptions.lengths(lengths),
            samples,
            seed,
            read("--wording", wording, Wording::parse),
            texts);
    BosPolicy bos = read("--bos", values.required(RunOption.BOS), BosPolicy::of);
    int count = file.write(model, bos, Path.of(output).toAbsolutePath());
    PrintWriter out = spec.commandLine().getOut();
    out.printf("%d samples in %s%n", count, output);
    ObjectNode json = new ObjectMapper().createObjectNode().put("samples", count);
    file.lengths().forEach(json.putArray("lengths")::add);
    Stream<String> labels = file.tasks().stream().map(Task::label);
    labels.forEach(json.putArray("tasks")::add);
    out.println(json.put("output", output));
    out.flush();
    return ExitCode.DONE;
  }

  private static <T> T read(String option, String text, Function<String, T> reader) {
    try {
      return reader.apply(text);
    } catch (IllegalArgumentException e) {
      throw new UsageException("Cannot use " + option + " " + text + ": " + e.getMessage(), e);
    }
  }
}
