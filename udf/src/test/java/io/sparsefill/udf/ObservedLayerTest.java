package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.E4m3;
import io.sparsefill.kernels.HalfFloats;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.kernels.TileKeys;
import io.sparsefill.kernels.Workers;
import io.sparsefill.kernels.cpu.CpuBackend;
import io.sparsefill.udf.search.Budget;
import io.sparsefill.udf.search.Candidate;
import io.sparsefill.udf.search.CostMatching;
import io.sparsefill.udf.search.HeadScore;
import io.sparsefill.udf.search.PatternChoice;
import io.sparsefill.udf.search.SampleSearch;
import io.sparsefill.udf.search.Trial;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.IntUnaryOperator;
import org.junit.jupiter.api.Test;

/** What is measured on a layer, and what the search finds on layers that were made by hand. */
class ObservedLayerTest {
  private static final int D = 64;

  /** Queries, keys and values [T, H * D], every query head with a KV head of its own. */
  private static final class Made {
    final AttentionShape shape;
    final float[][] q;
    final float[][] k;
    final float[][] v;

    Made(int tokens, int heads, int window, long seed) {
      shape = new AttentionShape(tokens, heads, heads, D, 0.125f, window);
      Random random = new Random(seed);
      q = noise(random, 0.2);
      k = noise(random, 0.2);
      v = noise(random, 1);
    }

    private float[][] noise(Random random, double deviation) {
      float[][] rows = new float[shape.tokens()][shape.heads() * D];
      for (float[] row : rows) {
        for (int i = 0; i < row.length; i++) {
          row[i] = (float) (deviation * random.nextGaussian());
        }
      }
      return rows;
    }

    /** Adds a vector to a head's part of a row. */
    static void add(float[] row, int head, double[] vector, double factor) {
      for (int i = 0; i < D; i++) {
        row[head * D + i] += (float) (factor * vector[i]);
      }
    }

    void observe(LayerObserver observer) throws Exception {
      try (CpuBackend backend = new CpuBackend(2);
          Workers workers = new Workers(2);
          Tensor queries = backend.upload(new Rows(q), "q");
          Tensor keys = backend.upload(new Rows(k), "k");
          Tensor values = backend.upload(new Rows(v), "v");
          Tensor exact = backend.allocate(q.length, q[0].length, "exact");
          Tensor tried = backend.allocate(q.length, q[0].length, "tried")) {
        observer.layer(
            new ObservedLayer(
                backend,
                workers,
                0,
                shape,
                new ObservedLayer.Inputs(queries, keys, values),
                exact,
                tried));
      }
    }
  }

  private record Rows(float[][] values) implements HostMatrix {
    @Override
    public long rows() {
      return values.length;
    }

    @Override
    public int cols() {
      return values[0].length;
    }

    @Override
    public void read(long from, int count, float[] target, int offset) {
      for (int r = 0; r < count; r++) {
        System.arraycopy(values[(int) from + r], 0, target, offset + r * cols(), cols());
      }
    }
  }

  /** Runs something on a layer. */
  private interface Look {
    void at(ObservedLayer layer) throws Exception;
  }

  private static void observe(Made made, Look look) throws Exception {
    made.observe(
        new LayerObserver() {
          @Override
          public List<List<HeadPattern>> largest(AttentionShape shape) {
            return List.of();
          }

          @Override
          public void layer(ObservedLayer layer) throws Exception {
            look.at(layer);
          }
        });
  }

  /** The oracle: both attentions in double over masks, query by query. */
  @Test
  void errorAndRecallOfAnAShapeAreThoseOfItsMask() throws Exception {
    for (int window : new int[] {0, 150}) {
      Made made = new Made(450, 2, window, 1);
      HeadPattern.AShape pattern = new HeadPattern.AShape(64, 100);
      observe(
          made,
          layer -> {
            List<HeadFidelity> found = layer.fidelity(List.of(pattern, pattern), false);
            double[] first = checkAgainstMask(made, 0, found.get(0));
            double[] second = checkAgainstMask(made, 1, found.get(1));
            assertThat(found.get(1).share())
                .isCloseTo(second[0] / (first[0] + second[0]), within(1e-4));
            assertThat(found.get(1).lastShare())
                .isCloseTo(second[1] / (first[1] + second[1]), within(1e-4));
            assertThat(found.get(0).share() + found.get(1).share()).isCloseTo(1, within(1e-12));
          });
    }
  }

  /** Gives the squared norms of the exact output, over all queries and the last. */
  private static double[] checkAgainstMask(Made made, int head, HeadFidelity found) {
    int tokens = made.shape.tokens();
    double difference = 0;
    double size = 0;
    double lastDifference = 0;
    double lastSize = 0;
    double recalled = 0;
    List<Integer> probes = new ArrayList<>();
    for (int query : AttentionMass.queries(tokens)) {
      probes.add(query);
    }
    for (int i = 0; i < tokens; i++) {
      int tile = i / 64;
      double[] weight = new double[i + 1];
      double all = 0;
      double kept = 0;
      double[] exact = new double[D];
      double[] sparse = new double[D];
      for (int j = made.shape.firstKey(i); j <= i; j++) {
        double dot = 0;
        for (int c = 0; c < D; c++) {
          dot += (double) made.q[i][head * D + c] * made.k[j][head * D + c];
        }
        weight[j] = Math.exp(dot * 0.125);
        // Distances below 100 of the tile's first query, in whole tiles, and the first tile.
        boolean inside = j < 64 || j / 64 >= Math.max(0, tile * 64 - 99) / 64;
        all += weight[j];
        kept += inside ? weight[j] : 0;
        for (int c = 0; c < D; c++) {
          exact[c] += weight[j] * made.v[j][head * D + c];
          sparse[c] += inside ? weight[j] * made.v[j][head * D + c] : 0;
        }
      }
      for (int c = 0; c < D; c++) {
        double squares = Math.pow(sparse[c] / kept - exact[c] / all, 2);
        double squaresOfExact = Math.pow(exact[c] / all, 2);
        difference += squares;
        size += squaresOfExact;
        lastDifference += i >= tokens - 64 ? squares : 0;
        lastSize += i >= tokens - 64 ? squaresOfExact : 0;
      }
      recalled += probes.contains(i) ? kept / all : 0;
    }
    assertThat(found.error()).isCloseTo(Math.sqrt(difference / size), within(1e-4));
    assertThat(found.lastError()).isCloseTo(Math.sqrt(lastDifference / lastSize), within(1e-4));
    assertThat(found.recall()).isCloseTo(recalled / probes.size(), within(1e-4));
    return new double[] {size, lastSize};
  }

  /** The oracle is A-shape's definition: the first tile, and distances below 100 in whole tiles. */
  @Test
  void theKeysOfAHeadAreThoseOfItsPattern() throws Exception {
    HeadPattern.AShape small = new HeadPattern.AShape(64, 100);
    observe(
        new Made(450, 2, 0, 4),
        layer -> {
          List<TileKeys> keys = layer.keys(List.of(new HeadPattern.Dense(), small), false, 1);
          assertThat(keys).hasSize(8);
          for (int tile = 0; tile < 8; tile++) {
            TileKeys found = keys.get(tile);
            List<Integer> tiles = new ArrayList<>();
            for (int run = 0; run < found.runStarts().length; run++) {
              for (int i = 0; i < found.runTiles()[run]; i++) {
                tiles.add(found.runStarts()[run] / 64 + i);
              }
            }
            List<Integer> expected = new ArrayList<>();
            for (int key = 0; key <= tile; key++) {
              if (key == 0 || key >= Math.max(0, tile * 64 - 99) / 64) {
                expected.add(key);
              }
            }
            assertThat(tiles).isEqualTo(expected);
            assertThat(found.columns()).isEmpty();
          }
        });
  }

  @Test
  void aPatternOfAllTilesHasNoErrorAndLosesNothing() throws Exception {
    observe(
        new Made(300, 2, 0, 2),
        layer -> {
          HeadPattern all = new HeadPattern.AShape(64, 300);
          for (HeadFidelity head : layer.fidelity(List.of(all, all), false)) {
            assertThat(head.tiles()).isEqualTo(15);
            assertThat(head.error()).isZero();
            assertThat(head.lastError()).isZero();
            assertThat(head.recall()).isCloseTo(1, within(1e-5));
          }
        });
  }

  /** The oracle: attention in double over keys and values that were rounded by hand. */
  @Test
  void storedErrorIsThatOfRoundedKeysAndValues() throws Exception {
    Made made = new Made(300, 2, 0, 4);
    observe(
        made,
        layer -> {
          assertThat(layer.storedError(KvDtype.FP32)).containsOnly(0);
          for (KvDtype dtype : new KvDtype[] {KvDtype.BF16, KvDtype.FP8}) {
            double[] errors = layer.storedError(dtype);
            for (int head = 0; head < 2; head++) {
              assertThat(errors[head])
                  .as("%s, head %d", dtype, head)
                  .isCloseTo(roundedError(made, head, dtype), within(1e-5));
            }
          }
          assertThat(layer.storedError(KvDtype.FP8)[0]).isBetween(0.005, 0.06);
        });
  }

  private static double roundedError(Made made, int head, KvDtype dtype) {
    double difference = 0;
    double size = 0;
    for (int i = made.shape.tokens() - 64; i < made.shape.tokens(); i++) {
      double[] exact = attention(made.q[i], made.k, made.v, i, head);
      double[] found =
          attention(made.q[i], rounded(made.k, head, dtype), rounded(made.v, head, dtype), i, head);
      for (int c = 0; c < D; c++) {
        difference += Math.pow(found[c] - exact[c], 2);
        size += exact[c] * exact[c];
      }
    }
    return Math.sqrt(difference / size);
  }

  private static double[] attention(float[] q, float[][] k, float[][] v, int last, int head) {
    double[] out = new double[D];
    double all = 0;
    for (int j = 0; j <= last; j++) {
      double dot = 0;
      for (int c = head * D; c < (head + 1) * D; c++) {
        dot += (double) q[c] * k[j][c];
      }
      double weight = Math.exp(dot * 0.125);
      all += weight;
      for (int c = 0; c < D; c++) {
        out[c] += weight * v[j][head * D + c];
      }
    }
    for (int c = 0; c < D; c++) {
      out[c] /= all;
    }
    return out;
  }

  private static float[][] rounded(float[][] rows, int head, KvDtype dtype) {
    float[][] rounded = new float[rows.length][];
    for (int t = 0; t < rows.length; t++) {
      rounded[t] = rows[t].clone();
      float largest = 0;
      for (int c = head * D; c < (head + 1) * D; c++) {
        largest = Math.max(largest, Math.abs(rows[t][c]));
      }
      for (int c = head * D; c < (head + 1) * D; c++) {
        float x = rows[t][c];
        rounded[t][c] =
            dtype == KvDtype.BF16
                ? HalfFloats.fromBf16(HalfFloats.toBf16(x))
                : E4m3.toFloat(E4m3.of(x / (largest / 448))) * (largest / 448);
      }
    }
    return rounded;
  }

  @Test
  void probesStandInEveryPartAtDifferentRowsOfTheirTiles() {
    int[] probes = AttentionMass.queries(16 * 1024);
    for (int i = 0; i < 16; i++) {
      assertThat(probes[i]).isBetween(i * 1024, i * 1024 + 1023);
    }
    assertThat(Arrays.stream(probes).map(probe -> probe % 64).distinct().count())
        .isGreaterThanOrEqualTo(8);
    assertThat(AttentionMass.queries(5)).containsExactly(0, 1, 2, 3, 4);
  }

  /**
   * Head 0 looks at 250 columns, head 1 at three far distances, head 2 at one key tile for each
   * query tile: the search must say so. The tiles of the sizes it finds are counted by the index of
   * those very patterns.
   */
  @Test
  void theSearchFindsWhatWasPlanted() throws Exception {
    int tokens = 4096;
    Made made = new Made(tokens, 3, 0, 3);
    plantColumns(made, 0, 250);
    plantDistances(made, 1, 700, 1300, 1900);
    Random random = new Random(5);
    int[] target = new int[tokens / 64];
    for (int m = 0; m < target.length; m++) {
      target[m] = random.nextInt(m + 1);
    }
    plantTiles(made, 2, m -> target[m]);

    List<Candidate> candidates =
        Candidate.parse(
            "vertical-slash:3000:200,vertical-slash:30:2048,a-shape:1024:4096,block-sparse");
    Budget budget = new Budget(0.25, 0.03, List.of(0.25));
    List<Trial> trials = Trial.of(candidates, budget.levels());
    SampleSearch search = new SampleSearch(trials, new CostMatching(0.03));
    made.observe(search);
    for (HeadScore score : search.scores()) {
      assertThat(score.causalTiles()).isEqualTo(64 * 65 / 2);
      assertThat((double) score.tiles())
          .as("%s", score)
          .isBetween(0.85 * 0.25 * 2080, 1.03 * 0.25 * 2080);
    }
    observe(
        made,
        layer -> {
          for (int c = 0; c < candidates.size(); c++) {
            List<HeadPattern> patterns = new ArrayList<>();
            long[] tiles = new long[3];
            for (HeadScore score : search.scores()) {
              if (score.trial() == c) {
                patterns.add(candidates.get(c).at(score.size()));
                tiles[score.head()] = score.tiles();
              }
            }
            assertThat(layer.tiles(patterns)).containsExactly(tiles);
          }
        });

    PatternChoice choice = PatternChoice.of(List.of(List.of(search.scores())), trials, budget);
    assertThat(choice.layer(0))
        .extracting(chosen -> chosen.trial().candidate().name())
        .containsExactly("vertical-slash:3000:200", "vertical-slash:30:2048", "block-sparse");
    assertThat(choice.layer(0))
        .allSatisfy(chosen -> assertThat(chosen.recall()).isGreaterThan(0.8));
    assertThat(choice.layer(0)).allSatisfy(chosen -> assertThat(chosen.error()).isLessThan(0.4));
  }

  private static void plantColumns(Made made, int head, int count) {
    Random random = new Random(7);
    double[] direction = signs(random);
    for (float[] row : made.q) {
      Made.add(row, head, direction, 1);
    }
    for (int c = 0; c < count; c++) {
      Made.add(made.k[random.nextInt(made.k.length)], head, direction, 1.2);
    }
  }

  /** Random frequencies: the score of a distance peaks where it is one of those that were asked. */
  private static void plantDistances(Made made, int head, int... distances) {
    Random random = new Random(11);
    double[] frequency = random.doubles(D / 2, 0, Math.PI).toArray();
    for (int t = 0; t < made.k.length; t++) {
      Made.add(made.k[t], head, wave(frequency, t), 2.5);
      for (int distance : distances) {
        Made.add(made.q[t], head, wave(frequency, t - distance), 2.5);
      }
    }
  }

  private static double[] wave(double[] frequency, int position) {
    double[] wave = new double[D];
    for (int i = 0; i < D / 2; i++) {
      wave[2 * i] = Math.cos(frequency[i] * position);
      wave[2 * i + 1] = Math.sin(frequency[i] * position);
    }
    return wave;
  }

  private static void plantTiles(Made made, int head, IntUnaryOperator target) {
    Random random = new Random(13);
    List<double[]> code = new ArrayList<>();
    for (int tile = 0; tile < made.k.length / 64; tile++) {
      code.add(signs(random));
    }
    for (int t = 0; t < made.k.length; t++) {
      Made.add(made.k[t], head, code.get(t / 64), 1.5);
      Made.add(made.q[t], head, code.get(target.applyAsInt(t / 64)), 1.5);
    }
  }

  private static double[] signs(Random random) {
    return random.doubles(D).map(x -> x < 0.5 ? -1 : 1).toArray();
  }
}
