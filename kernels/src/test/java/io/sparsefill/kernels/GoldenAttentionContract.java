package io.sparsefill.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.attention.LineSelection;
import java.io.IOException;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * What every backend must hold against MInference's own kernels. The oracles are stored: outputs of
 * dense attention in float64, of MInference's kernels in bf16, and the lines that its estimate
 * chose.
 */
public abstract class GoldenAttentionContract extends BackendContract {
  @Test
  void denseAttentionEqualsTheStoredFloat64Output() throws IOException {
    try (ErrorBudget budget = new ErrorBudget("golden: dense against float64, Frobenius", 2e-3)) {
      for (GoldenCase golden : GoldenCase.all()) {
        float[] out = run(golden.input(), new HeadPattern.Dense()).out();
        budget.spend(error(out, golden.output("dense_out")), golden.name());
      }
    }
  }

  @Test
  void selectedLinesHoldTheMassThatUpstreamsHold() throws IOException {
    System.out.println("Mass of our lines over that of upstream's, by upstream's own scores:");
    for (GoldenCase golden : GoldenCase.all()) {
      AttentionShape shape = golden.input().shape();
      try (Tensor q = device.backend().upload(golden.input().q(), "q");
          Tensor k = device.backend().upload(golden.input().k(), "k")) {
        for (GoldenCase.Run run : golden.runs()) {
          if (run.pattern() instanceof HeadPattern.VerticalSlash sizes) {
            double leastVertical = Double.MAX_VALUE;
            double leastSlash = Double.MAX_VALUE;
            for (int head = 0; head < shape.heads(); head++) {
              LineSelection ours = device.lines(sizes, head, shape, q, k);
              LineSelection theirs =
                  new LineSelection(
                      golden.line(run.key() + ".vertical", head),
                      golden.line(run.key() + ".slash_distance", head));
              LineScores scores = golden.scores(head);
              String what = "%s %s head %d".formatted(golden.name(), run.key(), head);
              scores.assertHolds(ours, theirs, 0.995, what);
              leastVertical =
                  Math.min(
                      leastVertical,
                      scores.verticalMass(ours.verticals())
                          / scores.verticalMass(theirs.verticals()));
              leastSlash =
                  Math.min(
                      leastSlash,
                      scores.slashMass(ours.distances()) / scores.slashMass(theirs.distances()));
            }
            System.out.printf(
                "  %-30s %-14s columns %.6f, distances %.6f%n",
                golden.name(), run.key(), leastVertical, leastSlash);
          }
        }
      }
    }
  }

  @Test
  void everySparseOutputIsAsCloseToDenseAsUpstreams() throws IOException {
    System.out.println("Relative error (Frobenius) to dense attention in float64:");
    for (GoldenCase golden : GoldenCase.all()) {
      float[] dense = golden.output("dense_out");
      assertThat(golden.runs()).as("patterns stored in %s", golden.name()).isNotEmpty();
      for (GoldenCase.Run run : golden.runs()) {
        Sparse ours = run(golden.input(), run.pattern());
        double error = error(ours.out(), dense);
        double upstream = error(golden.output(run.key() + ".out"), dense);
        System.out.printf(
            "  %-30s %-18s density %.3f, ours %.6f, upstream %.6f, ratio %.4f%n",
            golden.name(), run.key(), ours.density(), error, upstream, error / upstream);
        assertThat(error)
            .as("%s %s: our error against 1.05 times upstream's", golden.name(), run.key())
            .isLessThanOrEqualTo(1.05 * upstream);
      }
    }
  }

  /** An output [T, H * D] and its share of computed tiles. */
  @SuppressWarnings("ArrayRecordComponent") // never compared
  private record Sparse(float[] out, double density) {}

  private Sparse run(AttentionInput input, HeadPattern pattern) {
    AttentionShape shape = input.shape();
    Backend backend = device.backend();
    List<HeadPattern> patterns = Collections.nCopies(shape.heads(), pattern);
    try (Tensor q = backend.upload(input.q(), "q");
        Tensor k = backend.upload(input.k(), "k");
        Tensor v = backend.upload(input.v(), "v");
        AttentionIndex index = backend.index(patterns, shape, false, 0, q, k)) {
      backend.attention(index, shape, q, k, v, q);
      backend.complete();
      AttentionCost cost = index.cost();
      return new Sparse(backend.read(q), (double) cost.computedTiles() / cost.causalTiles());
    }
  }

  /** Frobenius norm of the difference over that of the reference. */
  private static double error(float[] out, float[] reference) {
    assertThat(out).hasSameSizeAs(reference);
    double difference = 0;
    double norm = 0;
    for (int i = 0; i < out.length; i++) {
      difference += Math.pow((double) out[i] - reference[i], 2);
      norm += (double) reference[i] * reference[i];
    }
    return Math.sqrt(difference / norm);
  }
}
