package io.sparsefill.kernels.cpu;

import io.sparsefill.kernels.ArrayMatrix;
import io.sparsefill.kernels.AttentionIndex;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.kernels.attention.HeadTiles;
import io.sparsefill.kernels.attention.IndexBuilders;
import io.sparsefill.kernels.attention.TileIndex;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Milliseconds per layer of attention in the shape of needle-19m (H = 8, G = 2, D = 64): the
 * attention over a given index, and the making of an index from an estimate.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 3)
@Measurement(iterations = 5, time = 3)
@Fork(1)
public class AttentionBenchmark {
  private static final int HEADS = 8;
  private static final int KV_HEADS = 2;
  private static final int HEAD_DIM = 64;
  private static final HeadPattern.VerticalSlash PATTERN = new HeadPattern.VerticalSlash(100, 800);

  /** Document length. */
  @Param({"4096", "16384"})
  public int tokens;

  /** Threads of the backend. */
  @Param({"1", "2"})
  public int threads;

  /** {@code dense}, or {@code vertical-slash} of 100 columns and 800 distances. */
  @Param({"dense", "vertical-slash"})
  public String pattern;

  private CpuBackend backend;
  private AttentionShape shape;
  private Tensor q;
  private Tensor k;
  private Tensor v;
  private Tensor out;
  private AttentionIndex index;

  /** Random input and lines. */
  @Setup
  public void prepare() {
    backend = new CpuBackend(threads);
    shape = new AttentionShape(tokens, HEADS, KV_HEADS, HEAD_DIM, 0.125f, 0);
    Random random = new Random(1);
    q = backend.upload(ArrayMatrix.random(tokens, HEADS * HEAD_DIM, 1, random), "queries");
    k = backend.upload(ArrayMatrix.random(tokens, KV_HEADS * HEAD_DIM, 1, random), "keys");
    v = backend.upload(ArrayMatrix.random(tokens, KV_HEADS * HEAD_DIM, 1, random), "values");
    out = backend.allocate(tokens, HEADS * HEAD_DIM, "outputs");
    List<HeadTiles> heads = new ArrayList<>();
    for (int h = 0; h < HEADS; h++) {
      heads.add(pattern.equals("dense") ? IndexBuilders.dense(shape, 0) : clusteredLines(random));
    }
    TileIndex tiles = TileIndex.of(shape, 0, heads);
    System.out.printf(
        "%nT=%d, %s: density %.4f%n",
        tokens, pattern, (double) tiles.computedTiles() / tiles.causalTiles());
    index = backend.index(tiles, k);
  }

  /**
   * Lines as trained heads have them: the forced ones, columns anywhere, and distances in bursts of
   * 32.
   */
  private HeadTiles clusteredLines(Random random) {
    TreeSet<Integer> columns = new TreeSet<>();
    for (int i = 0; columns.size() < PATTERN.vertical(); i++) {
      columns.add(i < 30 ? i : random.nextInt(tokens));
    }
    TreeSet<Integer> distances = new TreeSet<>(Collections.reverseOrder());
    for (int i = 0; i < 100; i++) {
      distances.add(i);
    }
    while (distances.size() < PATTERN.slash()) {
      int burst = random.nextInt(tokens - 32);
      for (int i = 0; i < 32 && distances.size() < PATTERN.slash(); i++) {
        distances.add(burst + i);
      }
    }
    return IndexBuilders.verticalSlash(
        shape,
        0,
        columns.stream().mapToInt(Integer::intValue).toArray(),
        distances.stream().mapToInt(Integer::intValue).toArray());
  }

  /** One layer's attention over the index. */
  @Benchmark
  public Tensor attention() {
    backend.attention(index, shape, q, k, v, out);
    return out;
  }

  /** One layer's index: packed keys, and for vertical-slash estimate, selection and tiles. */
  @Benchmark
  public long indexing() {
    HeadPattern each = pattern.equals("dense") ? new HeadPattern.Dense() : PATTERN;
    try (AttentionIndex made =
        backend.index(Collections.nCopies(HEADS, each), shape, false, 0, q, k)) {
      return made.cost().computedTiles();
    }
  }

  /** Gives the memory back. */
  @TearDown
  public void close() {
    index.close();
    for (Tensor tensor : List.of(q, k, v, out)) {
      tensor.close();
    }
    backend.close();
  }
}
