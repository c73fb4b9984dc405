package io.sparsefill.kernels;

import static io.sparsefill.kernels.attention.TileIndex.TILE;
import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.attention.LineMeans;
import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.ProbeRows;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Lines chosen by rows along the document and in bands, by any backend, against scores in double:
 * the mean weight over the rows for which a line counts, or over the last ones of them if that is
 * more.
 */
public abstract class ChosenLinesContract extends BackendContract {
  @Test
  void theChosenLinesHoldWhatTheBestByDoublesHold() {
    for (int tokens : new int[] {1, 64, 65, 300, 1000, 2100}) {
      for (int window : new int[] {0, 200}) {
        for (LineChoice choice :
            List.of(
                new LineChoice(0, true),
                new LineChoice(100, false),
                new LineChoice(64, true),
                new LineChoice(512, true))) {
          AttentionShape shape = AttentionInput.shape(tokens, 2, 1, 64, window);
          compare(AttentionInput.random(shape, 3, tokens + window), choice);
        }
      }
    }
  }

  private void compare(AttentionInput input, LineChoice choice) {
    AttentionShape shape = input.shape();
    HeadPattern.VerticalSlash sizes = new HeadPattern.VerticalSlash(50, 190);
    HeadPattern.ChosenLines pattern = new HeadPattern.ChosenLines(sizes, choice);
    try (Tensor q = device.backend().upload(input.q(), "q");
        Tensor k = device.backend().upload(input.k(), "k");
        AttentionIndex index =
            device.backend().index(List.of(pattern, pattern), shape, false, 0, q, k)) {
      for (int head = 0; head < 2; head++) {
        HeadPattern.GivenLines lines = index.lines().get(head);
        LineScores scores = scores(input, head, choice.probes());
        String what = "%s, head %d, %s".formatted(choice, head, shape);
        LineSelection found = new LineSelection(lines.verticals(), lines.distances());
        if (choice.bands()) {
          assertBands(scores, found, sizes, what);
        } else {
          scores.assertHolds(found, scores.best(sizes), 0.9999, what);
        }
      }
    }
  }

  private static void assertBands(
      LineScores scores, LineSelection found, HeadPattern.VerticalSlash sizes, String what) {
    int tokens = scores.vertical().length;
    LineSelection columns = scores.best(sizes);
    assertThat(found.verticals()).as(what).hasSameSizeAs(columns.verticals()).isSorted();
    assertThat(scores.verticalMass(found.verticals()))
        .as("%s: mass of the columns", what)
        .isGreaterThanOrEqualTo(0.9999 * scores.verticalMass(columns.verticals()));
    double[] bands = new double[(tokens + TILE - 1) / TILE];
    for (int band = 0; band < bands.length; band++) {
      // Pairs of the query tile's row i and the key tile's key j, a 64th of each row.
      for (int i = 0; i < TILE; i++) {
        for (int j = 0; j < TILE; j++) {
          int distance = band * TILE + i - j;
          if (distance >= 0 && distance < tokens) {
            bands[band] += scores.slash()[tokens - 1 - distance] / TILE;
          }
        }
      }
      bands[band] += band < 2 ? 1e9 : 0;
    }
    double held = 0;
    for (int distance : found.distances()) {
      assertThat(distance % TILE).as(what).isZero();
      held += bands[distance / TILE];
    }
    int count = Math.min(bands.length, Math.max(2, (Math.min(tokens, sizes.slash()) + 63) / TILE));
    assertThat(found.distances()).as(what).hasSize(count).doesNotHaveDuplicates();
    assertThat(found.distances()[count - 1]).as(what).isZero();
    double best = Arrays.stream(bands).sorted().skip(bands.length - count).sum();
    assertThat(held).as("%s: mass of the bands", what).isGreaterThanOrEqualTo(0.9999 * best);
  }

  /** The larger of the means over the last rows and over all. */
  private static LineScores scores(AttentionInput input, int head, int probes) {
    AttentionShape shape = input.shape();
    List<ProbeRows> last = List.of(ProbeRows.last(shape.tokens()));
    List<ProbeRows> all = new ArrayList<>(last);
    all.addAll(ProbeRows.along(shape, probes));
    LineScores ofLast = means(input, head, last);
    LineScores ofAll = means(input, head, all);
    return new LineScores(
        larger(ofLast.vertical(), ofAll.vertical()), larger(ofLast.slash(), ofAll.slash()));
  }

  private static double[] larger(double[] a, double[] b) {
    double[] larger = new double[a.length];
    Arrays.setAll(larger, i -> Math.max(a[i], b[i]));
    return larger;
  }

  private static LineScores means(AttentionInput input, int head, List<ProbeRows> groups) {
    AttentionShape shape = input.shape();
    int tokens = shape.tokens();
    double[] vertical = new double[tokens];
    double[] slash = new double[tokens];
    int[] columnRows = new int[tokens];
    int[] distanceRows = new int[tokens];
    for (ProbeRows rows : groups) {
      for (int q = rows.first(); q < rows.first() + rows.count(); q++) {
        double[] weights = new double[q + 1];
        double sum = 0;
        for (int key = shape.firstKey(q); key <= q; key++) {
          weights[key] = Math.exp(input.logit(head, q, key));
          sum += weights[key];
        }
        for (int key = shape.firstKey(q); key <= q; key++) {
          if (q - key >= LineMeans.NEAREST_OF_COLUMNS) {
            vertical[key] += weights[key] / sum;
            columnRows[key]++;
          }
          if (key >= LineMeans.FIRST_OF_DIAGONALS) {
            slash[tokens - 1 - (q - key)] += weights[key] / sum;
            distanceRows[q - key]++;
          }
        }
      }
    }
    for (int i = 0; i < tokens; i++) {
      vertical[i] /= Math.max(1, columnRows[i]);
      slash[tokens - 1 - i] /= Math.max(1, distanceRows[i]);
    }
    return new LineScores(vertical, slash);
  }
}
