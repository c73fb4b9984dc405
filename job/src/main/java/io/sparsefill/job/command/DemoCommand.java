package io.sparsefill.job.command;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparsefill.job.command.DemoDocuments.Generated;
import io.sparsefill.job.run.OptionValues;
import io.sparsefill.job.run.Run;
import io.sparsefill.job.run.RunOption;
import io.sparsefill.job.run.RunOptions;
import io.sparsefill.job.run.RunSummary;
import io.sparsefill.job.run.SessionScope;
import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.TextTokenizer;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/**
 * {@code sparsefill demo}: the real run, over generated documents that hide needles, with the
 * bundled model; then what the model retrieved, read back from the Parquet.
 */
@Command(
    name = "demo",
    description = {
      "Pre-fills generated documents of 2,000 to 16,000 tokens that hide needles, with the bundled model,",
      "and shows what was retrieved from the Parquet that was written."
    },
    mixinStandardHelpOptions = true)
final class DemoCommand implements Callable<Integer> {
  private static final String MODEL = "models/needle-2m";
  private static final String PATTERNS = "patterns/needle-2m.json";
  private static final long SEED = 2024;

  @Spec private CommandSpec spec;

  private DemoCommand() {}

  static CommandLine line() {
    return SharedOptions.line(
        new DemoCommand(),
        List.of(
            RunOption.MODEL,
            RunOption.OUTPUT,
            RunOption.ATTENTION,
            RunOption.PATTERNS,
            RunOption.BACKEND,
            RunOption.REQUIRE_GPU,
            RunOption.WEIGHTS,
            RunOption.MASTER));
  }

  @Override
  public Integer call() throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    Map<RunOption, String> wanted = new EnumMap<>(RunOption.class);
    wanted.putAll(SharedOptions.given(spec));
    if (!wanted.containsKey(RunOption.MODEL)) {
      Path conf = ConfFolder.containing(MODEL);
      wanted.put(RunOption.MODEL, conf.resolve(MODEL).toString());
      if (wanted.getOrDefault(RunOption.ATTENTION, "minference").equals("minference")) {
        wanted.putIfAbsent(RunOption.PATTERNS, conf.resolve(PATTERNS).toString());
      }
    }
    Path work = Files.createTempDirectory("sparsefill-demo-");
    wanted.putIfAbsent(RunOption.OUTPUT, work.resolve("output").toString());

    List<DemoAnswer> answers;
    try (TextTokenizer tokenizer =
        TextTokenizer.open(Path.of(wanted.get(RunOption.MODEL)), BosPolicy.AUTO)) {
      int special = tokenizer.encode("").length;
      List<Generated> documents =
          DemoDocuments.generate(SEED, text -> tokenizer.encode(text).length - special);
      Path input = work.resolve("documents.jsonl");
      write(documents, input);
      wanted.put(RunOption.INPUT, input.toString());
      answers = DemoAnswer.locate(documents, tokenizer);
    }
    wanted.put(RunOption.FORMAT, "jsonl");
    wanted.put(RunOption.EMIT, "kv,logits");
    wanted.put(RunOption.LAST_POSITIONS, Integer.toString(DemoAnswer.lastPositions(answers)));
    wanted.put(RunOption.TOP_K, "5");
    RunOptions options = RunOptions.of(OptionValues.resolve(wanted, machineOptions()));

    try (SessionScope session = SessionScope.open("sparsefill demo", options.master())) {
      out.println("Pre-filling generated documents that hide needles, with " + options.model());
      out.flush();
      RunSummary summary = Run.execute(session.spark(), options, out);
      DemoReport report = DemoReport.read(session.spark(), options.output().path(), answers);
      out.println();
      out.println(report.table());
      out.println(
          report.hits()
              + " of "
              + answers.size()
              + " answers retrieved; Parquet in "
              + options.output().path()
              + "/{documents,tokens,kv,logits}");
      out.println(summary.toJson());
      out.flush();
      int code = RunCommand.exitCode(summary, options);
      return code == ExitCode.DONE && report.hits() < answers.size() ? ExitCode.PROBLEMS : code;
    }
  }

  /**
   * Of the Spark configuration only what belongs to the machine: a model or an output folder that
   * is configured for real work is none of the demo's.
   */
  private static Map<String, String> machineOptions() {
    Map<String, String> options = SessionScope.configuration();
    options
        .keySet()
        .retainAll(
            Set.of(RunOption.BACKEND.key(), RunOption.REQUIRE_GPU.key(), RunOption.WEIGHTS.key()));
    return options;
  }

  private static void write(List<Generated> documents, Path file) throws IOException {
    ObjectMapper json = new ObjectMapper();
    StringBuilder lines = new StringBuilder();
    for (Generated document : documents) {
      ObjectNode line = json.createObjectNode();
      line.put("doc_id", document.id()).put("text", document.text());
      lines.append(line).append('\n');
    }
    Files.writeString(file, lines);
  }
}
