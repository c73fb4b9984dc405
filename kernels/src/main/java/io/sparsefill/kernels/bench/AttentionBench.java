package io.sparsefill.kernels.bench;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.cpu.CpuBackend;
import io.sparsefill.kernels.cuda.CudaBackend;
import java.util.Map;
import java.util.Set;

/**
 * Times the attention of one layer through {@link Backend}: dense, and vertical-slash with each
 * pattern of Llama-3-8B-262k on all heads, as {@code --attention minference} runs them (with
 * dispatch, estimate and index included). The lines that the estimate must choose are planted
 * ({@link PlantedHeads}), half local and half in bursts of 32; before anything is timed, the size
 * of the index and sampled rows of the output are compared with what those lines give ({@link
 * AttentionOracle}, fp64 on the host).
 */
public final class AttentionBench {
  private static final String USAGE =
      """
      Usage: AttentionBench [--lengths 4096,8192,32768,131072] [--rounds 5] [--dense-up-to 131072]
                            [--backend cuda|cpu] [--threads N] [--heads 32] [--kv-heads 8]
                            [--head-dim 128] [--json FILE]
        --dense-up-to  longest length at which dense attention runs too (131072)
        --head-dim     64 or 128, of which every 64 dimensions of a KV head hold one set of lines
      """;
  private static final Set<String> OPTIONS =
      Set.of(
          "--lengths",
          "--rounds",
          "--dense-up-to",
          "--backend",
          "--threads",
          "--heads",
          "--kv-heads",
          "--head-dim",
          "--json");

  /** The estimate's 64 queries, and as many keys before them. */
  private static final int SHORTEST = 128;

  private AttentionBench() {}

  /** Runs it; exit code 2 for wrong arguments. */
  public static void main(String[] args) throws Exception {
    System.exit(run(args));
  }

  /** The program without its end: returns the exit code. */
  static int run(String... args) throws Exception {
    return Arguments.run(USAGE, OPTIONS, Set.of(), args, AttentionBench::bench);
  }

  private static void bench(Arguments arguments) throws Exception {
    int[] lengths = arguments.sizes("--lengths", "4096,8192,32768,131072");
    for (int length : lengths) {
      if (length < SHORTEST) {
        throw new UsageException("--lengths: " + length + " is less than " + SHORTEST);
      }
    }
    int d = Integer.parseInt(arguments.word("--head-dim", "128", Set.of("64", "128")));
    int heads = arguments.size("--heads", 32);
    int kvHeads = arguments.size("--kv-heads", 8);
    if (heads % kvHeads != 0) {
      throw new UsageException("--heads " + heads + " is no multiple of --kv-heads " + kvHeads);
    }
    int rounds = arguments.size("--rounds", 5);
    int denseUpTo = arguments.size("--dense-up-to", 131072);
    int threads = arguments.size("--threads", Runtime.getRuntime().availableProcessors());
    boolean cpu = arguments.word("--backend", "cuda", Set.of("cuda", "cpu")).equals("cpu");
    try (Backend backend = cpu ? new CpuBackend(threads) : new CudaBackend(threads)) {
      Map<String, String> environment = Environment.of(backend);
      if (backend instanceof CudaBackend cuda) {
        environment.put("attention", cuda.attentionKernels(d));
      }
      environment.put("shape", "%d heads, %d KV heads, D = %d".formatted(heads, kvHeads, d));
      AttentionTables tables = AttentionTables.of(new Report("AttentionBench", environment));
      for (int length : lengths) {
        AttentionShape shape =
            new AttentionShape(length, heads, kvHeads, d, (float) (1 / Math.sqrt(d)), 0);
        try (AttentionRuns runs = new AttentionRuns(backend, shape, rounds, length <= denseUpTo)) {
          runs.measure(tables);
        }
        tables.report().save(arguments.text("--json", null));
      }
      tables.report().print();
    }
  }
}
