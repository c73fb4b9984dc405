package io.sparsefill.udf;

import io.sparsefill.kernels.AttentionIndex;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.kernels.TileKeys;
import io.sparsefill.kernels.Workers;
import io.sparsefill.kernels.attention.TileIndex;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;

/**
 * One layer of a document that is walked densely: its queries, keys and values are on the device,
 * and so is its exact attention, beside which patterns can be tried. Sums of errors are made on the
 * host, a few rows at a time.
 */
public final class ObservedLayer {
  /** Rows that are on the host at a time. */
  private static final int ROWS = 1024;

  /** Queries that the last error is over. */
  private static final int LAST = 64;

  private final Backend backend;
  private final Workers workers;
  private final int number;
  private final AttentionShape shape;
  private final Inputs inputs;
  private final Tensor exact;
  private final Tensor tried;
  private AttentionMass mass;

  /**
   * What attention reads.
   *
   * @param q [T, H * D] after RoPE
   * @param k [T, G * D] after RoPE
   * @param v [T, G * D]
   */
  record Inputs(Tensor q, Tensor k, Tensor v) {}

  /**
   * A layer whose exact attention is computed now.
   *
   * @param workers threads for sums on the host
   * @param exact gets dense attention [T, H * D]
   * @param tried room for the attention of a pattern [T, H * D]
   */
  ObservedLayer(
      Backend backend,
      Workers workers,
      int number,
      AttentionShape shape,
      Inputs inputs,
      Tensor exact,
      Tensor tried) {
    this.backend = backend;
    this.workers = workers;
    this.number = number;
    this.shape = shape;
    this.inputs = inputs;
    this.exact = exact;
    this.tried = tried;
    List<HeadPattern> dense = Collections.nCopies(shape.heads(), new HeadPattern.Dense());
    try (AttentionIndex index = index(dense, false)) {
      backend.attention(index, shape, inputs.q, inputs.k, inputs.v, exact);
    }
  }

  /** Its number, from 0. */
  public int number() {
    return number;
  }

  /** Its attention. */
  public AttentionShape shape() {
    return shape;
  }

  /**
   * Score tiles that each head would compute [H]: the index is built, no attention runs.
   *
   * @param patterns one for each head
   */
  public long[] tiles(List<HeadPattern> patterns) {
    try (AttentionIndex index = index(patterns, false)) {
      return index.headTiles();
    }
  }

  /**
   * The keys that each query tile of one head would compute scores with, tile by tile: the index is
   * built, no attention runs. On a GPU every tile is a few small copies.
   *
   * @param patterns one for each head
   * @param dispatch whether a head whose pattern would not cost less runs densely
   */
  public List<TileKeys> keys(List<HeadPattern> patterns, boolean dispatch, int head) {
    try (AttentionIndex index = index(patterns, dispatch)) {
      return IntStream.range(0, TileIndex.tiles(shape.tokens()))
          .mapToObj(tile -> index.keys(head, tile))
          .toList();
    }
  }

  /**
   * Computes attention with patterns, and compares it with the exact one.
   *
   * @param patterns one for each head
   * @param dispatch whether a head whose pattern would not cost less runs densely
   * @return one for each head
   * @throws ArithmeticException if an output is not finite
   */
  public List<HeadFidelity> fidelity(List<HeadPattern> patterns, boolean dispatch) {
    long[] tiles;
    double[] recall;
    try (AttentionIndex index = index(patterns, dispatch)) {
      backend.attention(index, shape, inputs.q, inputs.k, inputs.v, tried);
      tiles = index.headTiles();
      if (mass == null) {
        mass = new AttentionMass(backend, workers, shape, inputs.q, inputs.k);
      }
      recall = mass.recall(index);
    }
    Errors all = new Errors();
    Errors last = new Errors();
    int lastFrom = Math.max(0, shape.tokens() - LAST);
    add(0, lastFrom, all);
    add(lastFrom, shape.tokens(), all, last);
    List<HeadFidelity> heads = new ArrayList<>();
    for (int head = 0; head < shape.heads(); head++) {
      heads.add(
          new HeadFidelity(
              tiles[head],
              all.of(head),
              last.of(head),
              recall[head],
              all.share(head),
              last.share(head)));
    }
    return heads;
  }

  /**
   * Computes dense attention over keys and values as they are after they were stored in a type, and
   * compares that of the last {@value #LAST} queries with the exact one.
   *
   * @return relative error of each head, in the Frobenius norm [H]
   * @throws ArithmeticException if the type cannot hold a number, or an output is not finite
   */
  public double[] storedError(KvDtype dtype) {
    List<HeadPattern> dense = Collections.nCopies(shape.heads(), new HeadPattern.Dense());
    KvMatrix storedKeys = KvMatrix.stored(backend, inputs.k, dtype, shape.headDim());
    KvMatrix storedValues = KvMatrix.stored(backend, inputs.v, dtype, shape.headDim());
    try (Tensor keys = backend.upload(storedKeys, "stored keys");
        Tensor values = backend.upload(storedValues, "stored values");
        AttentionIndex index = backend.index(dense, shape, false, 0, inputs.q, keys)) {
      backend.attention(index, shape, inputs.q, keys, values, tried);
    }
    Errors last = new Errors();
    add(Math.max(0, shape.tokens() - LAST), shape.tokens(), last);
    double[] errors = new double[shape.heads()];
    for (int head = 0; head < errors.length; head++) {
      errors[head] = last.of(head);
    }
    return errors;
  }

  private AttentionIndex index(List<HeadPattern> patterns, boolean dispatch) {
    return backend.index(patterns, shape, dispatch, 0, inputs.q, inputs.k);
  }

  /** Sums of squares of each head. */
  private final class Errors {
    final double[] difference = new double[shape.heads()];
    final double[] size = new double[shape.heads()];

    double of(int head) {
      if (!Double.isFinite(difference[head]) || !Double.isFinite(size[head])) {
        throw new ArithmeticException(
            "The attention of layer %d, head %d is not finite".formatted(number, head));
      }
      return difference[head] == 0 ? 0 : Math.sqrt(difference[head] / size[head]);
    }

    /** Of the size of all heads. */
    double share(int head) {
      return size[head] == 0 ? 0 : size[head] / Arrays.stream(size).sum();
    }
  }

  /** Adds the rows [begin, end) to sums. */
  private void add(int begin, int end, Errors... sums) {
    int width = shape.heads() * shape.headDim();
    for (int from = begin; from < end; from += ROWS) {
      int count = Math.min(ROWS, end - from);
      float[] expected = backend.read(exact.rows(from, count));
      float[] found = backend.read(tried.rows(from, count));
      workers.forEach(
          shape.heads(),
          thread -> null,
          (head, none) -> {
            double squares = 0;
            double squaresOfExact = 0;
            for (int row = 0; row < count; row++) {
              int at = row * width + head * shape.headDim();
              for (int i = at; i < at + shape.headDim(); i++) {
                double d = (double) found[i] - expected[i];
                squares += d * d;
                squaresOfExact += (double) expected[i] * expected[i];
              }
            }
            for (Errors sum : sums) {
              sum.difference[head] += squares;
              sum.size[head] += squaresOfExact;
            }
          });
    }
  }
}
