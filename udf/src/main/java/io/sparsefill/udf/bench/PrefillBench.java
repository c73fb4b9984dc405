package io.sparsefill.udf.bench;

import io.sparsefill.kernels.bench.Arguments;
import io.sparsefill.kernels.bench.Report;
import io.sparsefill.kernels.bench.UsageException;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.PrefillResult;
import io.sparsefill.udf.model.ModelConfig;
import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.TextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/**
 * Times whole pre-fills of a document in several modes, which take turns, so that a machine that
 * drifts drifts for all. At each length every mode runs once before it is timed. Figures count only
 * for right results: the sink must be given every byte of the cache, in the first layer the same
 * bytes in every run and mode ({@link Repeatability}), and a sparse pre-fill's best next tokens
 * must hold the dense one's, where logits are asked for and dense is among the modes. Prints
 * medians.
 */
public final class PrefillBench {
  private static final String USAGE =
      """
      Usage: PrefillBench --model DIR (--text FILE | --random-tokens) [--lengths 4096,16384,32768]
                          [--attention dense,minference,...] [--patterns FILE]
                          [--weights resident|stream|resident,stream] [--emit logits]
                          [--sink counting|none|counting,none] [--backend auto|cpu|cuda]
                          [--rounds 5] [--cold] [--threads N] [--json FILE]
        --attention, --weights, --sink  lists: every combination is a mode
        --patterns  for minference; without it every head runs vertical_and_slash 1000/6096
        --sink none  keys and values stay on the device, all else is computed as with the sink;
                     where nothing else is emitted, the last token's hidden state is
        --cold  time the first run at each length too, for documents that take minutes
        Device memory counts all modes, which stay open, and other processes.
      """;
  private static final Set<String> OPTIONS =
      Set.of(
          "--model",
          "--text",
          "--lengths",
          "--attention",
          "--patterns",
          "--weights",
          "--emit",
          "--sink",
          "--backend",
          "--rounds",
          "--threads",
          "--json");

  /** The dense pre-fill's next token must be among so many of the sparse one's. */
  private static final int BEST = 5;

  private PrefillBench() {}

  /** Runs it; exit code 2 for wrong arguments. */
  public static void main(String[] args) throws Exception {
    System.exit(run(args));
  }

  /** The program without its end: returns the exit code. */
  static int run(String... args) throws Exception {
    return Arguments.run(
        USAGE, OPTIONS, Set.of("--random-tokens", "--cold"), args, PrefillBench::bench);
  }

  private static void bench(Arguments arguments) throws Exception {
    int[] lengths = arguments.sizes("--lengths", "4096,16384,32768");
    int rounds = arguments.size("--rounds", 5);
    int longest = Arrays.stream(lengths).max().orElseThrow();
    int[] document = document(arguments, longest);
    List<PrefillMode> modes = new ArrayList<>();
    try {
      try {
        open(arguments, modes);
      } catch (IllegalArgumentException e) {
        throw new UsageException(e.getMessage());
      }
      Report report = new Report("PrefillBench", environment(arguments, modes));
      Report.Table table =
          report.table(
              "Whole pre-fill, medians of " + rounds + " runs in turns",
              "tokens",
              "attention",
              "weights",
              "sink",
              "tokens/s",
              "seconds",
              "of it attention",
              "density",
              "K/V out, GB",
              "device memory, GiB",
              "peak RSS, GiB",
              "changed blocks");
      for (int length : lengths) {
        measure(modes, Arrays.copyOf(document, length), rounds, arguments.has("--cold"), table);
        report.save(arguments.text("--json", null));
      }
      report.print();
    } finally {
      modes.forEach(PrefillMode::close);
    }
  }

  private static int[] document(Arguments arguments, int longest) throws IOException {
    Path model = Path.of(arguments.text("--model"));
    if (arguments.has("--text") == arguments.has("--random-tokens")) {
      throw new UsageException("One of --text and --random-tokens is needed");
    }
    if (arguments.has("--random-tokens")) {
      return new Random(1).ints(longest, 0, ModelConfig.read(model).vocab()).toArray();
    }
    try (TextTokenizer tokenizer = TextTokenizer.open(model, BosPolicy.AUTO)) {
      int[] tokens = tokenizer.encode(Files.readString(Path.of(arguments.text("--text"))));
      if (tokens.length < longest) {
        throw new UsageException(
            "--lengths: the text has only %,d tokens, not %,d".formatted(tokens.length, longest));
      }
      return tokens;
    }
  }

  private static void open(Arguments arguments, List<PrefillMode> modes) throws IOException {
    String patterns =
        arguments.has("--patterns")
            ? Files.readString(Path.of(arguments.text("--patterns")))
            : null;
    Set<Emit> emit = Emit.parse(arguments.text("--emit", "logits"));
    int threads = arguments.size("--threads", Runtime.getRuntime().availableProcessors());
    for (String attention : arguments.list("--attention", "dense,minference")) {
      for (String weights : arguments.list("--weights", "resident")) {
        for (String sink : arguments.list("--sink", "counting")) {
          if (!sink.equals("counting") && !sink.equals("none")) {
            throw new UsageException("--sink " + sink + ": accepted are counting and none");
          }
          modes.add(
              new PrefillMode(
                  new PrefillMode.Names(attention, weights, sink),
                  arguments.text("--model"),
                  arguments.text("--backend", "auto"),
                  patterns,
                  emit,
                  threads));
        }
      }
    }
  }

  private static Map<String, String> environment(Arguments arguments, List<PrefillMode> modes) {
    Map<String, String> environment = new LinkedHashMap<>();
    ModelConfig config = modes.get(0).engine().config();
    environment.put("device", modes.get(0).engine().device());
    environment.put("Java", Runtime.version().toString());
    environment.put(
        "threads",
        arguments.text("--threads", Integer.toString(Runtime.getRuntime().availableProcessors())));
    environment.put(
        "model",
        "%s: %d layers, hidden %d, %d heads, %d KV heads, D = %d, vocabulary %d"
            .formatted(
                config.modelType(),
                config.layers(),
                config.hiddenSize(),
                config.heads(),
                config.kvHeads(),
                config.headDim(),
                config.vocab()));
    environment.put("emit", arguments.text("--emit", "logits"));
    environment.put("patterns", arguments.text("--patterns", "none"));
    environment.put("tokens", arguments.has("--text") ? arguments.text("--text") : "random");
    return environment;
  }

  private static void measure(
      List<PrefillMode> modes, int[] tokens, int rounds, boolean cold, Report.Table table)
      throws Exception {
    Repeatability repeatability = new Repeatability();
    List<List<PrefillMode.Run>> runs = new ArrayList<>();
    modes.forEach(mode -> runs.add(new ArrayList<>()));
    int[] changed = new int[modes.size()];
    for (int round = cold ? 1 : 0; round <= rounds; round++) {
      List<PrefillResult> results = new ArrayList<>();
      for (int i = 0; i < modes.size(); i++) {
        PrefillMode.Run run = modes.get(i).run(tokens);
        changed[i] =
            Math.max(changed[i], repeatability.changed(modes.get(i).names(), run.checksums()));
        results.add(run.result());
        if (round > 0) {
          runs.get(i).add(run);
        }
      }
      checkBest(modes, results);
    }
    for (int i = 0; i < modes.size(); i++) {
      PrefillMode.Names names = modes.get(i).names();
      PrefillMode.Run median = median(runs.get(i));
      table.row(
          tokens.length,
          names.attention(),
          names.weights(),
          names.sink(),
          tokens.length / median.seconds(),
          median.seconds(),
          median.result().attentionSeconds(),
          median.result().density(),
          median.kvBytes() / 1e9,
          median.deviceGib(),
          median.processGib(),
          changed[i]);
    }
  }

  private static PrefillMode.Run median(List<PrefillMode.Run> runs) {
    return runs.stream()
        .sorted(Comparator.comparingDouble(PrefillMode.Run::seconds))
        .toList()
        .get(runs.size() / 2);
  }

  /** Every other mode must lean towards the dense one's next token. */
  private static void checkBest(List<PrefillMode> modes, List<PrefillResult> results) {
    PrefillResult dense = null;
    for (int i = 0; i < modes.size(); i++) {
      dense = modes.get(i).names().attention().equals("dense") ? results.get(i) : dense;
    }
    if (dense == null || dense.lastLogits() == null) {
      return;
    }
    float[] expected = dense.lastLogits()[0];
    int best = 0;
    for (int i = 0; i < expected.length; i++) {
      best = expected[i] > expected[best] ? i : best;
    }
    for (int i = 0; i < modes.size(); i++) {
      float[] actual = results.get(i).lastLogits()[0];
      int better = 0;
      for (float logit : actual) {
        better += logit > actual[best] ? 1 : 0;
      }
      if (better >= BEST) {
        throw new IllegalStateException(
            "At %,d tokens the dense pre-fill's next token is only number %d of those of %s"
                .formatted(dense.tokenCount(), better + 1, modes.get(i).names()));
      }
    }
  }
}
