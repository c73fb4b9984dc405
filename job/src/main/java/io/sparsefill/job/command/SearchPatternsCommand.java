package io.sparsefill.job.command;

import io.sparsefill.job.run.OptionValues;
import io.sparsefill.job.run.RunOption;
import io.sparsefill.job.run.RunOptions;
import io.sparsefill.job.run.SessionScope;
import io.sparsefill.job.search.Search;
import io.sparsefill.job.search.SearchOptions;
import io.sparsefill.job.search.SearchSummary;
import io.sparsefill.job.search.SearchTarget;
import io.sparsefill.udf.search.Candidate;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * {@code sparsefill search-patterns}: a pattern for each head of a model that nobody configured.
 */
@Command(
    name = "search-patterns",
    description = {
      "Finds a pattern for each head of --model: candidates that compute equally many tiles are tried on",
      "the documents of --calibration, and the one whose attention output is nearest to dense wins.",
      "Writes --output, a pattern file for --attention minference, and all scores into OUTPUT.report.",
      "What is scored is kept in OUTPUT.work until the search is done: the same command goes on from there."
    },
    mixinStandardHelpOptions = true)
final class SearchPatternsCommand implements Callable<Integer> {
  private static final String TOLERANCE = "0.03";
  private static final String BUDGET = "uniform";
  private static final String SAMPLES = "8";

  @Spec private CommandSpec spec;

  @Option(
      names = "--calibration",
      paramLabel = "PATH",
      required = true,
      description = "documents to try patterns on; see make-calibration")
  private String calibration;

  @Option(
      names = "--output",
      paramLabel = "FILE",
      required = true,
      description = "the pattern file, on the driver's machine")
  private String output;

  @Option(
      names = "--lengths",
      paramLabel = "LIST",
      description =
          "lengths of the samples in tokens, comma-separated (default: the longest document's, and a quarter of it);"
              + " documents up to a tenth shorter are taken whole, else longer ones lose their middle")
  private String lengths;

  @Option(
      names = "--samples",
      paramLabel = "N",
      description = "the most samples of a length (default " + SAMPLES + ")",
      defaultValue = SAMPLES)
  private int samples;

  @Option(
      names = "--density",
      paramLabel = "SHARE",
      description = "target: share of the causal tiles that a head computes on the longest samples")
  private Double density;

  @Option(
      names = "--target-flops",
      paramLabel = "N",
      description =
          "target: operations of each head's attention on the longest samples (default: the cost of a-shape:1024:4096)")
  private Double flops;

  @Option(
      names = "--budget",
      paramLabel = "KIND",
      description =
          "uniform: the target is each head's; adaptive: it is the mean of all heads, and those get more tiles"
              + " whose error falls most by them; 0.5,1,2: the same with these levels, relative to the target (default "
              + BUDGET
              + ")",
      defaultValue = BUDGET)
  private String budget;

  @Option(
      names = "--tolerance",
      paramLabel = "SHARE",
      description =
          "how far a candidate's tiles may be from the target (default " + TOLERANCE + ")",
      defaultValue = TOLERANCE)
  private double tolerance;

  @Option(
      names = "--candidates",
      paramLabel = "LIST",
      description = "patterns whose ratios are tried (default " + Candidate.DEFAULT_SPACE + ")",
      defaultValue = Candidate.DEFAULT_SPACE)
  private String candidates;

  private SearchPatternsCommand() {}

  static CommandLine line() {
    return SharedOptions.line(
        new SearchPatternsCommand(),
        List.of(RunOption.MODEL),
        SharedOptions.READING,
        SharedOptions.COMPUTING);
  }

  @Override
  public Integer call() throws IOException {
    SearchOptions options = options();
    PrintWriter out = spec.commandLine().getOut();
    try (SessionScope session =
        SessionScope.open("sparsefill search-patterns", options.run().master())) {
      SearchSummary summary = Search.execute(session.spark(), options, out);
      out.println(summary.toJson());
      out.flush();
      return ExitCode.DONE;
    }
  }

  /** What a run of these documents would take, but that nothing is written and all is dense. */
  private SearchOptions options() {
    Map<RunOption, String> given = new EnumMap<>(RunOption.class);
    given.putAll(SharedOptions.given(spec));
    given.put(RunOption.INPUT, calibration);
    given.put(RunOption.OUTPUT, "");
    given.put(RunOption.ATTENTION, "dense");
    given.put(RunOption.PATTERNS, "");
    given.put(RunOption.EMIT, "hidden");
    given.put(RunOption.FULL_LOGITS, "false");
    given.put(RunOption.DRY_RUN, "true");
    OptionValues values = OptionValues.resolve(given, SessionScope.configuration());
    return new SearchOptions(
        RunOptions.of(values),
        Path.of(output).toAbsolutePath(),
        SearchOptions.lengths(lengths),
        samples,
        new SearchTarget(density, flops),
        SearchOptions.budget(budget),
        tolerance,
        SearchOptions.candidates(candidates));
  }
}
