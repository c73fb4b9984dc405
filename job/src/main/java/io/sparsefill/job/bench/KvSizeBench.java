package io.sparsefill.job.bench;

import com.github.luben.zstd.Zstd;
import io.sparsefill.job.output.BytePlanes;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.bench.Arguments;
import io.sparsefill.kernels.bench.UsageException;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.Engine;
import io.sparsefill.udf.EngineOptions;
import io.sparsefill.udf.KvBlock;
import io.sparsefill.udf.model.RopeFrequencies;
import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.TextTokenizer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * How small a model's real keys and values become, and how fast: a text is pre-filled, and its
 * cells are compressed by zstd as they are and with their byte planes apart, on one thread.
 */
public final class KvSizeBench {
  private static final String USAGE =
      """
      Usage: KvSizeBench --model DIR --text FILE [--tokens 8192] [--kv-dtype bf16,fp16,fp8] [--levels 1,3]
                         [--block-tokens 256] [--rounds 3] [--backend cpu] [--threads 1]
        --text    UTF-8; its first tokens are pre-filled densely
        --levels  of zstd; the kv table takes 1
      """;
  private static final Set<String> OPTIONS =
      Set.of(
          "--model",
          "--text",
          "--tokens",
          "--kv-dtype",
          "--levels",
          "--block-tokens",
          "--rounds",
          "--backend",
          "--threads");

  private KvSizeBench() {}

  /** Runs it; exit code 2 for wrong arguments. */
  public static void main(String[] args) throws Exception {
    System.exit(run(args));
  }

  /** The program without its end: returns the exit code. */
  static int run(String... args) throws Exception {
    return Arguments.run(USAGE, OPTIONS, Set.of(), args, KvSizeBench::bench);
  }

  private static void bench(Arguments arguments) throws Exception {
    List<KvDtype> dtypes = new ArrayList<>();
    for (String label : arguments.list("--kv-dtype", "bf16,fp16,fp8")) {
      dtypes.add(dtype(label));
    }
    int[] levels = arguments.sizes("--levels", "1,3");
    int rounds = arguments.size("--rounds", 3);
    int[] tokens = tokens(arguments);
    System.out.printf(
        Locale.ROOT,
        "%,d tokens; bytes of keys and values as they are, with their scales, and in zstd; MB/s of"
            + " them on one thread, the best of %d%n"
            + "dtype  cells   level          bytes  of plain  of bf16    encode    decode%n",
        tokens.length,
        rounds);
    for (KvDtype dtype : dtypes) {
      List<KvBlock> blocks = blocks(arguments, dtype, tokens);
      long elements = blocks.stream().mapToLong(b -> b.key().length).sum() * 2 / dtype.bytes();
      print(dtype, "plain", "none", plainBytes(blocks), plainBytes(blocks), 2 * elements, null);
      for (int level : levels) {
        Times times = new Times(blocks, false, level, rounds);
        print(dtype, "plain", "" + level, times.bytes, plainBytes(blocks), 2 * elements, times);
        if (dtype.bytes() == Short.BYTES) {
          times = new Times(blocks, true, level, rounds);
          print(dtype, "planes", "" + level, times.bytes, plainBytes(blocks), 2 * elements, times);
        }
      }
    }
  }

  private static KvDtype dtype(String label) {
    try {
      return KvDtype.of(label);
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage());
    }
  }

  private static int[] tokens(Arguments arguments) throws Exception {
    Path model = Path.of(arguments.text("--model"));
    String text = Files.readString(Path.of(arguments.text("--text")));
    int count = arguments.size("--tokens", 8192);
    try (TextTokenizer tokenizer = TextTokenizer.open(model, BosPolicy.AUTO)) {
      int[] ids = tokenizer.encode(text.substring(0, Math.min(text.length(), 8 * count)));
      return Arrays.copyOf(ids, Math.min(ids.length, count));
    }
  }

  private static List<KvBlock> blocks(Arguments arguments, KvDtype dtype, int[] tokens)
      throws Exception {
    EngineOptions options =
        new EngineOptions(
            arguments.text("--model"),
            arguments.text("--backend", "cpu"),
            "resident",
            "dense",
            null,
            EnumSet.of(Emit.KV),
            1,
            RopeFrequencies.FP32,
            dtype,
            arguments.size("--block-tokens", 256),
            arguments.size("--threads", 1));
    List<KvBlock> blocks = new ArrayList<>();
    try (Engine engine = Engine.open(options)) {
      engine.prefill(tokens, blocks::add);
    }
    return blocks;
  }

  private static long plainBytes(List<KvBlock> blocks) {
    return blocks.stream().mapToLong(KvBlock::bytes).sum();
  }

  private static void print(
      KvDtype dtype, String cells, String level, long bytes, long plain, long bf16, Times times) {
    System.out.printf(
        Locale.ROOT,
        "%-5s  %-6s  %5s  %,13d  %8.3f  %7.3f  %8s  %8s%n",
        dtype.label(),
        cells,
        level,
        bytes,
        bytes / (double) plain,
        bytes / (double) bf16,
        times == null ? "" : "%.0f".formatted(plain / 1e6 / times.encode),
        times == null ? "" : "%.0f".formatted(plain / 1e6 / times.decode));
  }

  /** Compressed bytes, and the shortest seconds of all blocks. */
  private static final class Times {
    private long bytes;
    private double encode = Double.POSITIVE_INFINITY;
    private double decode = Double.POSITIVE_INFINITY;

    Times(List<KvBlock> blocks, boolean planes, int level, int rounds) {
      for (int round = 0; round < rounds; round++) {
        bytes = 0;
        long encoding = 0;
        long decoding = 0;
        for (KvBlock block : blocks) {
          for (byte[] cell :
              new byte[][] {block.key(), block.value(), block.keyScale(), block.valueScale()}) {
            if (cell != null) {
              long start = System.nanoTime();
              byte[] small = Zstd.compress(planes ? BytePlanes.split(cell) : cell, level);
              long middle = System.nanoTime();
              byte[] large = Zstd.decompress(small, cell.length);
              byte[] again = planes ? BytePlanes.join(large) : large;
              decoding += System.nanoTime() - middle;
              encoding += middle - start;
              bytes += small.length;
              if (!Arrays.equals(again, cell)) {
                throw new IllegalStateException("A cell did not come back");
              }
            }
          }
        }
        encode = Math.min(encode, encoding / 1e9);
        decode = Math.min(decode, decoding / 1e9);
      }
    }
  }
}
