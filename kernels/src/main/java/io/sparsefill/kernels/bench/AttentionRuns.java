package io.sparsefill.kernels.bench;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.AttentionCost;
import io.sparsefill.kernels.AttentionIndex;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.kernels.attention.EstimateCost;
import io.sparsefill.kernels.attention.HeadIndexing;
import io.sparsefill.kernels.attention.IndexBuilders;
import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.PatternCost;
import io.sparsefill.kernels.attention.TileIndex;
import io.sparsefill.kernels.cuda.CudaBackend;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** The attention of one layer at one length, for {@link AttentionBench}: checked, then timed. */
final class AttentionRuns implements AutoCloseable {
  /** What bf16 outputs and weights allow. */
  private static final double TOLERANCE = 1e-2;

  private final Backend backend;
  private final AttentionShape shape;
  private final int rounds;
  private final boolean withDense;
  private final List<Tensor> owned = new ArrayList<>();
  private final HostMatrix queries;
  private final HostMatrix values;
  private final Tensor q;
  private final Tensor v;
  private final Tensor out;
  private AttentionIndex index;

  /**
   * Uploads queries and values.
   *
   * @param withDense whether dense attention runs too
   */
  AttentionRuns(Backend backend, AttentionShape shape, int rounds, boolean withDense) {
    this.backend = backend;
    this.shape = shape;
    this.rounds = rounds;
    this.withDense = withDense;
    this.queries = PlantedHeads.queries(shape);
    this.values = PlantedHeads.values(shape);
    boolean complete = false;
    try {
      q = own(backend.upload(queries, "queries"));
      v = own(backend.upload(values, "values"));
      out = own(backend.allocate(shape.tokens(), q.cols(), "output"));
      complete = true;
    } finally {
      if (!complete) {
        close();
      }
    }
  }

  private Tensor own(Tensor tensor) {
    owned.add(tensor);
    return tensor;
  }

  /** Runs every pattern of the histogram, and dense attention in turns with each. */
  void measure(AttentionTables tables) {
    double weighted = 0;
    double[] dense = new double[2];
    double denseError = 0;
    for (HistogramPattern entry : HistogramPattern.LLAMA_3_8B_262K) {
      PlantedHeads heads = PlantedHeads.of(shape, entry.pattern());
      HostMatrix keys = heads.keys();
      try (Tensor k = backend.upload(keys, "keys")) {
        AttentionOracle oracle = new AttentionOracle(shape, queries, keys, values);
        List<HeadPattern> patterns = Collections.nCopies(shape.heads(), entry.pattern());
        Checked checked = checkSparse(patterns, heads, oracle, k);
        if (withDense && dense[0] == 0) {
          denseError = checkDense(oracle, k);
        }
        double[] times = time(patterns, k);
        tables
            .patterns()
            .row(
                shape.tokens(),
                entry.pattern().vertical(),
                entry.pattern().slash(),
                entry.share(),
                PlantedLines.describe(heads.sets().get(0)),
                checked.sparseHeads,
                checked.density,
                perHead(times[0]),
                perHead(times[1]),
                perHead(times[2]),
                checked.error);
        weighted += entry.share() * perHead(times[2]);
        for (int i = 0; withDense && i < 2; i++) {
          dense[i] += entry.share() * perHead(times[3 + i]);
        }
        kernelTimes(entry.pattern(), patterns, k, tables.kernels());
      }
    }
    if (withDense) {
      double flop = 2.0 * shape.tokens() * shape.tokens() * shape.headDim();
      tables.dense().row(shape.tokens(), dense[0], flop / dense[0] / 1e9, dense[1], denseError);
      tables.weighted().row(shape.tokens(), weighted, dense[1], dense[1] / weighted);
    } else {
      tables.weighted().row(shape.tokens(), weighted, null, null);
    }
  }

  private double perHead(double seconds) {
    return seconds * 1e3 / shape.heads();
  }

  private record Checked(int sparseHeads, double density, double error) {}

  /** Compares one run with the planted lines. */
  private Checked checkSparse(
      List<HeadPattern> patterns, PlantedHeads heads, AttentionOracle oracle, Tensor k) {
    buildIndex(patterns, k);
    attend(k);
    // Whether heads run densely is the same decision for all: it depends on sizes only.
    EstimateCost estimates = backend instanceof CudaBackend ? EstimateCost.CUDA : EstimateCost.CPU;
    boolean mayBeSparse =
        !new HeadIndexing(shape, patterns, true, 0, estimates).isDense(patterns.get(0));
    long causal = new PatternCost(shape, 0, estimates).dense();
    List<TileIndex> expected =
        mayBeSparse ? heads.sets().parallelStream().map(this::planted).toList() : List.of();
    long tiles = 0;
    int sparse = 0;
    for (int head = 0; head < shape.heads(); head++) {
      long planted = mayBeSparse ? expected.get(heads.setOf(head)).computedTiles() : causal;
      sparse += planted < causal ? 1 : 0;
      tiles += Math.min(planted, causal);
    }
    AttentionCost cost = index.cost();
    if (cost.computedTiles() != tiles || cost.sparseHeads() != sparse) {
      throw new IllegalStateException(
          "%,d tokens, %s: the index computes %,d tiles with %d sparse heads, but the planted lines give %,d with %d"
              .formatted(
                  shape.tokens(),
                  patterns.get(0),
                  cost.computedTiles(),
                  cost.sparseHeads(),
                  tiles,
                  sparse));
    }
    double error =
        error(
            oracle,
            head -> {
              TileIndex mine = mayBeSparse ? expected.get(heads.setOf(head)) : null;
              return mine == null || mine.computedTiles() >= causal ? null : mine;
            });
    double density = (double) cost.computedTiles() / cost.causalTiles();
    return new Checked(cost.sparseHeads(), density, error);
  }

  /** The index of one head with given lines, by the builder that all backends are checked with. */
  private TileIndex planted(LineSelection lines) {
    AttentionShape one =
        new AttentionShape(shape.tokens(), 1, 1, shape.headDim(), shape.scale(), 0);
    return TileIndex.of(
        one, 0, List.of(IndexBuilders.verticalSlash(one, 0, lines.verticals(), lines.distances())));
  }

  private double checkDense(AttentionOracle oracle, Tensor k) {
    buildIndex(dense(), k);
    attend(k);
    return error(oracle, head -> null);
  }

  private List<HeadPattern> dense() {
    return Collections.nCopies(shape.heads(), new HeadPattern.Dense());
  }

  private interface KeysOfHead {
    TileIndex of(int head);
  }

  /** The largest error of sampled rows and heads. */
  private double error(AttentionOracle oracle, KeysOfHead keys) {
    int last = shape.tokens() - 1;
    int[] rows = {TILE / 2, last / 3, last - TILE, last};
    int[] heads = {0, shape.heads() / 2, shape.heads() - 1};
    double worst = 0;
    for (int row : rows) {
      float[] actual = backend.read(out.rows(row, 1));
      double error = 0;
      for (int head : heads) {
        error = Math.max(error, oracle.error(row, head, keys.of(head), actual));
      }
      if (!(error <= TOLERANCE)) {
        throw new IllegalStateException(
            "%,d tokens: row %d of the output is %.2g off the exact one, more than %.2g"
                .formatted(shape.tokens(), row, error, TOLERANCE));
      }
      worst = Math.max(worst, error);
    }
    return worst;
  }

  /** Seconds of a layer's index, attention, and both; with dense also of its attention and both. */
  private double[] time(List<HeadPattern> patterns, Tensor k) {
    List<Turns.Work> works = new ArrayList<>();
    addWorks(patterns, k, works);
    if (withDense) {
      addWorks(dense(), k, works);
      works.remove(3);
    }
    return Turns.seconds(rounds, backend::complete, works);
  }

  private void addWorks(List<HeadPattern> patterns, Tensor k, List<Turns.Work> works) {
    works.add(new Turns.Work(() -> buildIndex(patterns, k)));
    // An index serves until the next one is built, so each turn builds its own beforehand.
    works.add(new Turns.Work(() -> buildIndex(patterns, k), () -> attend(k)));
    works.add(
        new Turns.Work(
            () -> {
              buildIndex(patterns, k);
              attend(k);
            }));
  }

  private void kernelTimes(
      HeadPattern.VerticalSlash pattern, List<HeadPattern> patterns, Tensor k, Report.Table table) {
    if (backend instanceof CudaBackend cuda) {
      cuda.kernelMillis(
              () -> {
                buildIndex(patterns, k);
                attend(k);
              })
          .forEach(
              (kernel, millis) ->
                  table.row(
                      shape.tokens(),
                      pattern.vertical(),
                      pattern.slash(),
                      kernel,
                      millis / shape.heads()));
    }
  }

  private void buildIndex(List<HeadPattern> patterns, Tensor k) {
    closeIndex();
    index = backend.index(patterns, shape, true, 0, q, k);
  }

  private void attend(Tensor k) {
    backend.attention(index, shape, q, k, v, out);
  }

  private void closeIndex() {
    if (index != null) {
      index.close();
      index = null;
    }
  }

  @Override
  public void close() {
    closeIndex();
    owned.forEach(Tensor::close);
  }
}
