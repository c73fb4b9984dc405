package io.sparsefill.job.search;

import io.sparsefill.job.Documents;
import io.sparsefill.job.JavaBytes;
import io.sparsefill.job.OnTooLong;
import io.sparsefill.job.TextTable;
import io.sparsefill.job.TokenizedDocument;
import io.sparsefill.job.Tokenizing;
import io.sparsefill.job.TokenizingOptions;
import io.sparsefill.job.run.CheckedModel;
import io.sparsefill.job.run.PrefillTasks;
import io.sparsefill.job.run.RunBackend;
import io.sparsefill.job.run.RunOptions;
import io.sparsefill.job.run.UsageException;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.udf.EngineOptions;
import io.sparsefill.udf.model.ModelConfig;
import io.sparsefill.udf.model.ModelIdentity;
import io.sparsefill.udf.search.Budget;
import io.sparsefill.udf.search.Candidate;
import io.sparsefill.udf.search.CostMatching;
import io.sparsefill.udf.search.GivenSizes;
import io.sparsefill.udf.search.HeadScore;
import io.sparsefill.udf.search.PatternChoice;
import io.sparsefill.udf.search.Sizes;
import io.sparsefill.udf.search.Trial;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A search from its options to its pattern file: tokenise the calibration documents, score the
 * longest samples, with candidates sized for each sample to the target, then the shorter ones with
 * the sizes found, choose, write. Scores are kept beside the output as they come, so that the same
 * search goes on after a crash.
 */
public final class Search {
  private static final Logger log = LoggerFactory.getLogger(Search.class);

  /** Changes when scores of earlier versions do not compare any more. */
  private static final String VERSION = "3";

  private final SparkSession spark;
  private final SearchOptions options;
  private final CheckedModel model;
  private final EngineOptions engine;
  private final Calibration calibration;
  private final Budget budget;
  private final List<Trial> trials;
  private final List<Calibration.Sample> samples;
  private final List<List<HeadScore>> scores = new ArrayList<>();
  private int scoredBefore;

  private Search(
      SparkSession spark, SearchOptions options, CheckedModel model, Calibration calibration) {
    this.spark = spark;
    this.options = options;
    this.model = model;
    this.engine = model.engine(options.run(), PrefillTasks.of(spark).threads());
    this.calibration = calibration;
    this.samples = calibration.all();
    double density = options.target().density(longest());
    double cheapest = CostMatching.cheapest(longest(), options.candidates());
    if (cheapest > density * (1 + options.tolerance())) {
      throw new UsageException(
          String.format(
              Locale.ROOT,
              "Cannot search at a density of %.4f: at %,d tokens the smallest patterns compute %.4f of the causal tiles; give a larger --density or --target-flops, or longer samples",
              density,
              longest().tokens(),
              cheapest));
    }
    try {
      this.budget = Budget.of(density, options.tolerance(), options.budget(), cheapest);
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
    this.trials = Trial.of(options.candidates(), budget.levels());
  }

  /**
   * Searches.
   *
   * @param report takes a few lines for people
   * @throws UsageException if model, samples, target or output cannot be used; nothing was computed
   */
  public static SearchSummary execute(SparkSession spark, SearchOptions given, PrintWriter report)
      throws IOException {
    long started = System.nanoTime();
    refuseOutput(given.output());
    RunOptions run = given.run();
    CheckedModel model = CheckedModel.open(run.model(), run.compute(), run.tokens().bos());
    SearchOptions options =
        new SearchOptions(
            run.on(RunBackend.of(spark, run, model)),
            given.output(),
            given.lengths(),
            given.samples(),
            given.target(),
            given.budget(),
            given.tolerance(),
            given.candidates());
    int mostTokens = model.config().maxPositions();
    Calibration calibration =
        Calibration.of(
            tokenized(spark, options, model), options.lengths(), options.samples(), mostTokens);
    if (calibration.longestTokens() > mostTokens) {
      log.warn(
          "Samples of {} tokens are longer than the model's max_position_embeddings of {}: what is found there may say little",
          calibration.longestTokens(),
          mostTokens);
    }
    Search search = new Search(spark, options, model, calibration);
    try (SearchWork work = SearchWork.open(beside(options.output(), ".work"), search.identity())) {
      refuseOutput(given.output()); // a search that held the work until now may have written it
      search.score(work);
      SearchSummary summary = search.write(started);
      work.delete();
      search.tell(summary, report);
      return summary;
    }
  }

  private static void refuseOutput(Path output) {
    if (Files.exists(output)) {
      throw new UsageException(
          "Cannot write patterns to %s: it exists; remove it, or choose another --output"
              .formatted(output));
    }
  }

  private static Path beside(Path output, String ending) {
    return output.resolveSibling(output.getFileName() + ending);
  }

  /** All calibration documents: they are few enough for the driver. */
  private static List<TokenizedDocument> tokenized(
      SparkSession spark, SearchOptions options, CheckedModel model) throws IOException {
    TokenizingOptions whole =
        new TokenizingOptions(
            model.folder().toString(),
            options.run().tokens().bos(),
            Integer.MAX_VALUE,
            OnTooLong.FAIL,
            model.config().vocab());
    try {
      return Tokenizing.tokenize(
              Documents.read(spark, options.run().input()), whole, (docId, sha) -> false)
          .map(JavaBytes::of)
          .collect()
          .stream()
          .map(bytes -> JavaBytes.read(bytes, TokenizedDocument.class))
          .toList();
    } catch (IOException | IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
  }

  /** Attention over the longest sample. */
  private AttentionShape longest() {
    ModelConfig config = model.config();
    return new AttentionShape(
        calibration.longestTokens(),
        config.heads(),
        config.kvHeads(),
        config.headDim(),
        config.attentionScale(),
        0);
  }

  /** All that decides the scores. */
  private Map<String, String> identity() {
    ModelIdentity files = model.files();
    Map<String, String> fields = new TreeMap<>();
    fields.put("version", VERSION);
    fields.put("model_weights_sha256", files.weightsSha256());
    fields.put("model_config_sha256", files.configSha256());
    fields.put("backend", engine.backend());
    fields.put("rope_frequencies", engine.ropeFrequencies().label());
    fields.put("samples_sha256", samplesHash());
    fields.put(
        "lengths",
        calibration.lengths().stream().map(String::valueOf).collect(Collectors.joining(",")));
    fields.put(
        "candidates",
        options.candidates().stream().map(Candidate::name).collect(Collectors.joining(",")));
    fields.put("density", Double.toString(budget.density()));
    fields.put(
        "levels", budget.levels().stream().map(String::valueOf).collect(Collectors.joining(",")));
    fields.put("tolerance", Double.toString(budget.tolerance()));
    return fields;
  }

  /** Over length and tokens of each sample: tokenizer and begin-of-text token show in them. */
  private String samplesHash() {
    try {
      MessageDigest hash = MessageDigest.getInstance("SHA-256");
      for (Calibration.Sample sample : samples) {
        ByteBuffer bytes =
            ByteBuffer.allocate((2 + sample.tokens().length) * Integer.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN);
        bytes.putInt(sample.length()).putInt(sample.tokens().length);
        bytes.asIntBuffer().put(sample.tokens());
        hash.update(bytes.array());
      }
      return HexFormat.of().formatHex(hash.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every JVM has SHA-256", e);
    }
  }

  private void score(SearchWork work) throws IOException {
    int longest = calibration.samples().get(0).size();
    score(work, 0, longest, new CostMatching(budget.tolerance()));
    choice(1); // refuses a target that nobody reaches before the shorter samples are scored
    GivenSizes found = PatternChoice.sizes(scores, trials);
    score(work, longest, samples.size(), found);
  }

  /** Scores samples [from, to) unless they are scored. */
  private void score(SearchWork work, int from, int to, Sizes sizes) throws IOException {
    Map<Integer, List<HeadScore>> found = new TreeMap<>();
    List<Calibration.Sample> missing = new ArrayList<>();
    for (int i = from; i < to; i++) {
      Optional<List<HeadScore>> before = work.scores(i);
      if (before.isPresent()) {
        found.put(i, before.get());
        scoredBefore++;
      } else {
        missing.add(samples.get(i));
      }
    }
    log.info(
        "{} samples of at most {} tokens to score, {} scored before",
        missing.size(),
        from < to ? samples.get(from).length() : 0,
        found.size());
    new SampleJobs(spark)
        .run(
            missing,
            new SampleTask(engine, trials, sizes),
            (sample, result) -> {
              work.store(sample.number(), result);
              found.put(sample.number(), result);
            });
    scores.addAll(found.values());
  }

  private SearchSummary write(long started) throws IOException {
    PatternChoice choice = choice();
    List<HeadTotal> totals = HeadTotal.byCandidate(choice, options.candidates());
    HeadTotal all = totals.get(totals.size() - 1);
    Path report = Files.createDirectories(beside(options.output(), ".report"));
    SearchSummary summary =
        new SearchSummary(
            choice.layers(),
            choice.layer(0).size(),
            calibration.lengths(),
            model.config().maxPositions(),
            samples.size(),
            scoredBefore,
            budget.density(),
            budget.levels(),
            all.density(),
            all.error(),
            choice.layerError(),
            all.recall(),
            (System.nanoTime() - started) / 1e9,
            options.output(),
            report);
    ScoresFile.write(report.resolve("scores.parquet"), samples, scores, trials, choice);
    SearchWork.write(
        report.resolve("index.html"),
        new SearchPage(summary, choice, options.candidates(), budget).page(model.folder()).html());
    SearchWork.write(options.output(), choice.table().toJson());
    return summary;
  }

  private PatternChoice choice() {
    return choice(calibration.lengths().size());
  }

  /** The choice by the samples of the first lengths. */
  private PatternChoice choice(int lengths) {
    List<List<List<HeadScore>>> byLength = new ArrayList<>();
    int from = 0;
    for (List<Calibration.Sample> length : calibration.samples().subList(0, lengths)) {
      byLength.add(scores.subList(from, from + length.size()));
      from += length.size();
    }
    try {
      return PatternChoice.of(byLength, trials, budget);
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
  }

  private void tell(SearchSummary summary, PrintWriter report) {
    PatternChoice choice = choice();
    List<HeadTotal> candidates = HeadTotal.byCandidate(choice, options.candidates());
    report.println(table("candidate", candidates));
    if (budget.shared()) {
      report.println(table("level", HeadTotal.byLevel(choice, budget)));
    }
    report.printf(
        Locale.ROOT,
        "%d samples; density and recall are means at %,d tokens, where a density of %.4f was the target%s.%n",
        summary.samples(),
        summary.lengths().get(0),
        summary.targetDensity(),
        budget.shared() ? " for the mean of all heads" : "");
    if (!summary.beyondModel().isEmpty()) {
      report.printf(
          Locale.ROOT,
          "The model is made for %,d tokens: what was found at %s may say little.%n",
          summary.modelMaxTokens(),
          summary.beyondModel());
    }
    int blocks =
        candidates.stream()
            .filter(total -> total.name().startsWith("block-sparse"))
            .mapToInt(HeadTotal::heads)
            .sum();
    if (blocks > 0) {
      report.println(
          "MInference's own code takes 100 tiles on the "
              + blocks
              + " block_sparse heads, whatever the file says; leave block-sparse out of --candidates"
              + " for a file that runs the same there.");
    }
    String refinement = Candidate.refinement(options.candidates());
    if (!refinement.isEmpty()) {
      report.println(
          "The vertical_and_slash heads were searched with "
              + refinement
              + ", which the file does not say: run it with --attention minference"
              + refinement);
    }
    report.printf(
        "Patterns in %s; scores.parquet and index.html in %s%n",
        summary.output(), summary.report());
  }

  private static TextTable table(String first, List<HeadTotal> totals) {
    TextTable table = new TextTable(first, "heads", "density", "error", "recall");
    for (HeadTotal total : totals) {
      table.add(
          total.name(),
          total.heads(),
          digits(total.density()),
          digits(total.error()),
          digits(total.recall()));
    }
    return table;
  }

  private static String digits(double value) {
    return String.format(Locale.ROOT, "%.4f", value);
  }
}
