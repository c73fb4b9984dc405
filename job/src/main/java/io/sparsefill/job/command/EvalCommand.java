package io.sparsefill.job.command;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparsefill.job.eval.Eval;
import io.sparsefill.job.eval.EvalOptions;
import io.sparsefill.job.run.RunOption;
import io.sparsefill.job.run.SessionScope;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code sparsefill eval}: how much accuracy attention modes keep, and what they cost. */
@Command(
    name = "eval",
    description = {
      "Asks the model questions about long contexts with each attention mode, and measures the perplexity of texts.",
      "Writes Parquet tables, summary.json and report.html to --output. The same command again computes",
      "what is missing; tasks, lengths, samples and modes may be added."
    },
    mixinStandardHelpOptions = true)
final class EvalCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Option(
      names = "--tasks",
      paramLabel = "LIST",
      description =
          "comma-separated: needle, passkey, number_string, kv, ppl, RULER's by name (niah_multikey_2, vt, ...), or ruler or infinitebench for all of theirs")
  private String tasks;

  @Option(
      names = "--lengths",
      paramLabel = "LIST",
      description = "comma-separated: tokens of a sample, question and answer included")
  private String lengths;

  // A list, so that it is not taken for run's option of that name, which is one mode.
  @Option(
      names = "--attention",
      paramLabel = "LIST",
      split = ",",
      description =
          "comma-separated modes, as run takes one (default dense,minference); doctor --attention lists all")
  private List<String> attention = List.of("dense", "minference");

  @Option(
      names = "--samples",
      paramLabel = "N",
      description = "samples of each task and length; of ppl at most so many texts (default 16)")
  private int samples = 16;

  @Option(
      names = "--depths",
      paramLabel = "LIST",
      description =
          "percent, where needle's number is hidden; samples take them in turn (default 0,25,50,75,100)")
  private String depths = "0,25,50,75,100";

  @Option(
      names = "--questions",
      paramLabel = "K",
      description =
          "questions about a context of many keys (kv, niah_multikey_*), each a dense chunk after the sparse context; with 1, the default, the question is part of the sparse pre-fill")
  private int questions = 1;

  @Option(
      names = "--wording",
      paramLabel = "NAME",
      description =
          "ruler, as the benchmarks word prompts, or plain, as needle-2m was trained (default ruler)")
  private String wording = "ruler";

  @Option(
      names = "--texts",
      paramLabel = "PATH",
      description =
          "text file, or folder of *.txt: what needles are hidden in, and whose perplexity is measured")
  private String texts;

  @Option(names = "--seed", paramLabel = "S", description = "seed of the first sample (default 0)")
  private long seed;

  @Option(
      names = "--fidelity",
      description =
          "compares modes with dense attention on the documents of --input: likeliest tokens, KL divergence, output of each layer")
  private boolean fidelity;

  @Option(
      names = "--positions",
      paramLabel = "P",
      description =
          "positions of a document at which fidelity looks, besides the last (default 64)")
  private int positions = 64;

  private EvalCommand() {}

  static CommandLine line() {
    return SharedOptions.line(
        new EvalCommand(),
        List.of(RunOption.MODEL, RunOption.INPUT),
        SharedOptions.READING,
        List.of(RunOption.MAX_TOKENS, RunOption.ON_TOO_LONG, RunOption.OUTPUT, RunOption.PATTERNS),
        SharedOptions.COMPUTING);
  }

  @Override
  public Integer call() throws IOException {
    EvalOptions options =
        EvalOptions.of(
            new EvalOptions.Given(
                tasks,
                lengths,
                String.join(",", attention),
                samples,
                depths,
                questions,
                wording,
                texts,
                seed,
                fidelity,
                positions),
            SharedOptions.values(spec));
    PrintWriter out = spec.commandLine().getOut();
    try (SessionScope session = SessionScope.open("sparsefill eval", options.master())) {
      ObjectNode totals = Eval.execute(session.spark(), options, out);
      out.println(totals);
      out.flush();
      return totals.get("failed").asInt() > 0 ? ExitCode.PROBLEMS : ExitCode.DONE;
    }
  }
}
