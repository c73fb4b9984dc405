package io.sparsefill.udf.bench;

import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.attention.PatternTable;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.Engine;
import io.sparsefill.udf.EngineOptions;
import io.sparsefill.udf.PrefillResult;
import io.sparsefill.udf.model.ModelConfig;
import io.sparsefill.udf.model.RopeFrequencies;
import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.TextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * Times whole pre-fills of a text: dense and minference in turns, so that a machine that drifts
 * drifts for both, and prints medians, density, the share of attention and the process's peak
 * memory, then one line of JSON.
 *
 * <p>Usage: {@code PrefillBench MODEL TEXT [LENGTHS [ROUNDS [THREADS [EMIT]]]]}, for example {@code
 * PrefillBench needle-19m novel.txt 4096,16384,32768 5 2 logits}. Minference runs
 * vertical_and_slash 100/800 on every head.
 */
public final class PrefillBench {
  private static final PatternTable.Entry PATTERN =
      new PatternTable.Entry("vertical_and_slash", 100, 800, 0);

  private PrefillBench() {}

  /** One row of the table: medians over the rounds. */
  private record Row(
      int tokens,
      String mode,
      double tokensPerSecond,
      double seconds,
      double attentionSeconds,
      double density,
      double peakGib) {}

  /** Runs it. */
  public static void main(String[] args) throws Exception {
    if (args.length < 2) {
      System.err.println("Usage: PrefillBench MODEL TEXT [LENGTHS [ROUNDS [THREADS [EMIT]]]]");
      System.exit(2);
    }
    String model = args[0];
    String lengths = args.length > 2 ? args[2] : "4096,16384,32768";
    int rounds = args.length > 3 ? Integer.parseInt(args[3]) : 5;
    int threads =
        args.length > 4 ? Integer.parseInt(args[4]) : Runtime.getRuntime().availableProcessors();
    Set<Emit> emit = Emit.parse(args.length > 5 ? args[5] : "logits");
    int[] all;
    try (TextTokenizer tokenizer = TextTokenizer.open(Path.of(model), BosPolicy.AUTO)) {
      all = tokenizer.encode(Files.readString(Path.of(args[1])));
    }
    ModelConfig config = ModelConfig.read(Path.of(model));
    String patterns = PatternTable.uniform(PATTERN, config.layers(), config.heads()).toJson();
    List<Row> rows = new ArrayList<>();
    System.out.printf(
        "| tokens | attention | tokens/s | seconds | in attention | density | peak RSS, GiB |%n");
    System.out.printf("| --- | --- | --- | --- | --- | --- | --- |%n");
    try (Engine dense = Engine.open(options(model, "dense", null, emit, threads));
        Engine sparse = Engine.open(options(model, "minference", patterns, emit, threads))) {
      for (String length : lengths.split(",")) {
        int[] tokens = Arrays.copyOf(all, Integer.parseInt(length));
        if (tokens.length > all.length) {
          throw new IllegalArgumentException(
              "The text has only %d tokens, not %d".formatted(all.length, tokens.length));
        }
        check(dense.prefill(tokens, block -> {}), sparse.prefill(tokens, block -> {}));
        List<Row> denseRows = new ArrayList<>();
        List<Row> sparseRows = new ArrayList<>();
        for (int round = 0; round < rounds; round++) {
          denseRows.add(measure(dense, "dense", tokens));
          sparseRows.add(measure(sparse, "minference", tokens));
        }
        rows.add(print(median(denseRows)));
        rows.add(print(median(sparseRows)));
      }
    }
    System.out.println(json(rows, threads));
  }

  private static EngineOptions options(
      String model, String attention, String patterns, Set<Emit> emit, int threads) {
    return new EngineOptions(
        model,
        "auto",
        "resident",
        attention,
        patterns,
        EnumSet.copyOf(emit),
        1,
        RopeFrequencies.FP32,
        KvDtype.BF16,
        256,
        threads);
  }

  /**
   * A figure counts only for the right result: the sparse pre-fill must lean towards the dense
   * one's next token.
   */
  private static void check(PrefillResult dense, PrefillResult sparse) {
    if (dense.lastLogits() == null) {
      return;
    }
    float[] expected = dense.lastLogits()[0];
    float[] actual = sparse.lastLogits()[0];
    int best = 0;
    for (int i = 0; i < expected.length; i++) {
      best = expected[i] > expected[best] ? i : best;
    }
    int better = 0;
    for (float logit : actual) {
      better += logit > actual[best] ? 1 : 0;
    }
    if (better >= 5) {
      throw new IllegalStateException(
          "At %d tokens the dense pre-fill's next token is only number %d of the sparse one's"
              .formatted(dense.tokenCount(), better + 1));
    }
  }

  private static Row measure(Engine engine, String mode, int[] tokens) throws Exception {
    Memory.resetPeak();
    PrefillResult result = engine.prefill(tokens, block -> {});
    return new Row(
        tokens.length,
        mode,
        tokens.length / result.seconds(),
        result.seconds(),
        result.attentionSeconds(),
        result.density(),
        Memory.peakGib());
  }

  private static Row median(List<Row> rows) {
    return rows.stream()
        .sorted((a, b) -> Double.compare(a.seconds(), b.seconds()))
        .toList()
        .get(rows.size() / 2);
  }

  private static Row print(Row row) {
    System.out.printf(
        Locale.ROOT,
        "| %,d | %s | %,.0f | %.2f | %.2f | %.3f | %.2f |%n",
        row.tokens(),
        row.mode(),
        row.tokensPerSecond(),
        row.seconds(),
        row.attentionSeconds(),
        row.density(),
        row.peakGib());
    return row;
  }

  private static String json(List<Row> rows, int threads) {
    List<String> items = new ArrayList<>();
    for (Row row : rows) {
      items.add(
          String.format(
              Locale.ROOT,
              "{\"tokens\":%d,\"attention\":\"%s\",\"tokens_per_second\":%.1f,\"seconds\":%.3f,"
                  + "\"attention_seconds\":%.3f,\"density\":%.4f,\"peak_rss_gib\":%.3f}",
              row.tokens(),
              row.mode(),
              row.tokensPerSecond(),
              row.seconds(),
              row.attentionSeconds(),
              row.density(),
              row.peakGib()));
    }
    return "{\"threads\":%d,\"rows\":[%s]}".formatted(threads, String.join(",", items));
  }

  /** The process's peak resident memory, as Linux counts it. */
  private static final class Memory {
    private static final Path STATUS = Path.of("/proc/self/status");

    static void resetPeak() throws IOException {
      if (Files.isWritable(Path.of("/proc/self/clear_refs"))) {
        Files.writeString(Path.of("/proc/self/clear_refs"), "5");
      }
    }

    static double peakGib() throws IOException {
      if (!Files.isReadable(STATUS)) {
        return Double.NaN;
      }
      for (String line : Files.readAllLines(STATUS)) {
        if (line.startsWith("VmHWM:")) {
          return Long.parseLong(line.replaceAll("\\D", "")) / 1048576.0;
        }
      }
      return Double.NaN;
    }
  }
}
