package io.sparsefill.udf.bench;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.bench.Arguments;
import io.sparsefill.kernels.bench.UsageException;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.Engine;
import io.sparsefill.udf.EngineOptions;
import io.sparsefill.udf.KeptCache;
import io.sparsefill.udf.KvBlock;
import io.sparsefill.udf.LayerObserver;
import io.sparsefill.udf.ObservedLayer;
import io.sparsefill.udf.model.RopeFrequencies;
import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.TextTokenizer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * What a type of stored keys and values costs in accuracy, on a text: the error of each layer's
 * attention output over keys and values that went through the type, and how the text continues on a
 * cache that was restored from it, beside one that was not stored.
 */
public final class KvDtypeBench {
  private static final String USAGE =
      """
      Usage: KvDtypeBench --model DIR --text FILE [--tokens 8192] [--follow 512] [--kv-dtype bf16,fp16,fp8]
                          [--backend cpu] [--threads 1]
        --text    UTF-8; its first tokens are pre-filled densely
        --follow  tokens of the text that then follow on the cache
      """;
  private static final Set<String> OPTIONS =
      Set.of("--model", "--text", "--tokens", "--follow", "--kv-dtype", "--backend", "--threads");

  private final Arguments arguments;
  private final int[] document;
  private final int[] follow;

  private KvDtypeBench(Arguments arguments, int[] document, int[] follow) {
    this.arguments = arguments;
    this.document = document;
    this.follow = follow;
  }

  /** Runs it; exit code 2 for wrong arguments. */
  public static void main(String[] args) throws Exception {
    System.exit(run(args));
  }

  /** The program without its end: returns the exit code. */
  static int run(String... args) throws Exception {
    return Arguments.run(USAGE, OPTIONS, Set.of(), args, KvDtypeBench::bench);
  }

  private static void bench(Arguments arguments) throws Exception {
    List<KvDtype> dtypes = new ArrayList<>();
    for (String label : arguments.list("--kv-dtype", "bf16,fp16,fp8")) {
      try {
        dtypes.add(KvDtype.of(label));
      } catch (IllegalArgumentException e) {
        throw new UsageException(e.getMessage());
      }
    }
    int count = arguments.size("--tokens", 8192);
    int follow = arguments.size("--follow", 512);
    int[] ids;
    try (TextTokenizer tokenizer =
        TextTokenizer.open(Path.of(arguments.text("--model")), BosPolicy.AUTO)) {
      ids = tokenizer.encode(Files.readString(Path.of(arguments.text("--text"))));
    }
    if (ids.length < count + follow) {
      throw new UsageException(
          "--text has %,d tokens, fewer than %,d and %,d".formatted(ids.length, count, follow));
    }
    KvDtypeBench bench =
        new KvDtypeBench(
            arguments, Arrays.copyOf(ids, count), Arrays.copyOfRange(ids, count, count + follow));
    bench.layers(dtypes);
    bench.continuations(dtypes);
  }

  private Engine engine(KvDtype dtype) {
    return Engine.open(
        new EngineOptions(
            arguments.text("--model"),
            arguments.text("--backend", "cpu"),
            "resident",
            "dense",
            null,
            EnumSet.of(Emit.KV, Emit.LOGITS),
            1,
            RopeFrequencies.FP32,
            dtype,
            1024,
            arguments.size("--threads", 1)));
  }

  private void layers(List<KvDtype> dtypes) throws Exception {
    System.out.printf(
        Locale.ROOT,
        "%,d tokens; relative error of the attention output of the last 64, mean and largest head%n"
            + "layer",
        document.length);
    dtypes.forEach(dtype -> System.out.printf("  %16s", dtype.label()));
    System.out.println();
    try (Engine engine = engine(dtypes.get(0))) {
      engine.observe(
          document,
          new LayerObserver() {
            @Override
            public List<List<HeadPattern>> largest(AttentionShape shape) {
              return List.of(Collections.nCopies(shape.heads(), new HeadPattern.Dense()));
            }

            @Override
            public void layer(ObservedLayer layer) {
              System.out.printf("%5d", layer.number());
              for (KvDtype dtype : dtypes) {
                double[] errors = layer.storedError(dtype);
                System.out.printf(
                    Locale.ROOT,
                    "  %.1e, %.1e",
                    Arrays.stream(errors).average().orElseThrow(),
                    Arrays.stream(errors).max().orElseThrow());
              }
              System.out.println();
            }
          });
    }
  }

  private void continuations(List<KvDtype> dtypes) throws Exception {
    float[][] unstored = continuation(KvDtype.FP32, false);
    System.out.printf(
        Locale.ROOT,
        "%n%,d tokens that follow: the same next token, and the distance of the distributions%n"
            + "dtype  same next token   mean KL, nats  largest    nats/token%n",
        follow.length);
    System.out.printf(
        Locale.ROOT, "%-5s  %15s  %14s  %7s  %12.4f%n", "none", "", "", "", nll(unstored));
    for (KvDtype dtype : dtypes) {
      float[][] stored = continuation(dtype, true);
      int same = 0;
      double sum = 0;
      double largest = 0;
      for (int i = 0; i < follow.length; i++) {
        double[] p = logProbabilities(unstored[i]);
        double[] q = logProbabilities(stored[i]);
        double divergence = 0;
        for (int id = 0; id < p.length; id++) {
          divergence += Math.exp(p[id]) * (p[id] - q[id]);
        }
        sum += divergence;
        largest = Math.max(largest, divergence);
        same += best(p) == best(q) ? 1 : 0;
      }
      System.out.printf(
          Locale.ROOT,
          "%-5s  %14.2f%%  %14.2e  %7.1e  %12.4f%n",
          dtype.label(),
          100.0 * same / follow.length,
          sum / follow.length,
          largest,
          nll(stored));
    }
  }

  /** Logits after each token that follows; on a cache that was stored, if so asked. */
  private float[][] continuation(KvDtype dtype, boolean stored) throws Exception {
    List<KvBlock> blocks = new ArrayList<>();
    try (Engine engine = engine(dtype);
        KeptCache cache = engine.prefillKeeping(document, blocks::add, follow.length)) {
      if (stored) {
        blocks.forEach(cache::restore);
      }
      return cache.extend(follow, follow.length);
    }
  }

  /** Mean negative log-likelihood of the tokens that follow the first. */
  private double nll(float[][] logits) {
    double sum = 0;
    for (int i = 0; i + 1 < follow.length; i++) {
      sum -= logProbabilities(logits[i])[follow[i + 1]];
    }
    return sum / (follow.length - 1);
  }

  private static double[] logProbabilities(float[] logits) {
    double largest = Double.NEGATIVE_INFINITY;
    for (float logit : logits) {
      largest = Math.max(largest, logit);
    }
    double sum = 0;
    for (float logit : logits) {
      sum += Math.exp(logit - largest);
    }
    double[] result = new double[logits.length];
    for (int id = 0; id < result.length; id++) {
      result[id] = logits[id] - largest - Math.log(sum);
    }
    return result;
  }

  private static int best(double[] logProbabilities) {
    int best = 0;
    for (int id = 1; id < logProbabilities.length; id++) {
      best = logProbabilities[id] > logProbabilities[best] ? id : best;
    }
    return best;
  }
}
