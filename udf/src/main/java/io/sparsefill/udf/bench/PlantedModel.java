package io.sparsefill.udf.bench;

import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.kernels.bench.Noise;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Random weights whose attention has the structure that vertical-slash finds in trained models.
 *
 * <p>Every embedding row has a common component: {@value #COMMON} times a vector of random signs.
 * W_q and W_k map it to a fixed vector in each head, so that the expected score of a query and a
 * key is a function of their distance, a sum of cosines with RoPE's frequencies (all in phase at
 * distance 0). Its amplitudes by wavelength, in tokens: none below about 50; one from there to
 * several hundred, which lets it peak in bursts of about that width; more at one to some thousand,
 * fewer beyond, which favours near keys. Where these bands lie differs from head to head. Measured
 * in layer 0 at 128K tokens, the 6096 distances that vertical-slash chooses are the nearest 1100
 * and bursts of up to 60, frayed by noise: a density of 0.17 to 0.19, where distances half local
 * and half in bursts of 32 have 0.14. For 800 distances it is 0.03 against 0.02.
 *
 * <p>Vertical lines: one token id in {@value #HEAVY_EVERY} has a second direction in its embedding,
 * which W_k maps onto the dimensions that hardly rotate within a million tokens, so that every
 * query scores it higher, wherever it stands. The rest of W_q and W_k is noise that is orthogonal
 * to the common direction. All other weights are noise of such deviations that the hidden states
 * keep their size, and the common component its share, through all layers. Norms are ones.
 */
final class PlantedModel {
  private static final double COMMON = 0.8;
  private static final double HEAVY = 0.5;
  private static final int HEAVY_EVERY = 128;

  /** What a pair of amplitude 1 adds to the score of distance 0, in a head of 64 pairs. */
  private static final double SCORE_OF_PAIR = 0.25;

  private static final double REFERENCE_PAIRS = 64;

  /** What a heavy token's score has more. */
  private static final double HEAVY_SCORE = 3;

  /** Deviation of the noise in elements of q and k. */
  private static final double NOISE = 0.3;

  /** Share of the hidden states' square that all layers together add. */
  private static final double ADDED = 0.25;

  /**
   * Wavelengths in tokens: below the first no amplitude, beyond the last no rotation to speak of.
   */
  private static final double SHORTEST = 45;

  private static final double LONGEST = 6e6;

  private final ModelShape shape;
  private final boolean plain;
  private final long seed;
  private final float[] common;
  private final float[] heavy;

  /**
   * Plans the weights.
   *
   * @param plain whether they are noise only
   */
  PlantedModel(ModelShape shape, boolean plain, long seed) {
    this.shape = shape;
    this.plain = plain;
    this.seed = seed;
    this.common = signs(1);
    this.heavy = signs(2);
  }

  private float[] signs(int which) {
    SplittableRandom random = new SplittableRandom(seed * 31 + which);
    float[] signs = new float[shape.hidden()];
    for (int i = 0; i < signs.length; i++) {
      signs[i] = random.nextBoolean() ? 1 : -1;
    }
    return signs;
  }

  /** The tensors of each file: the embedding, each layer, the head. */
  List<List<ModelTensor>> shards() {
    int hidden = shape.hidden();
    List<List<ModelTensor>> shards = new ArrayList<>();
    shards.add(List.of(ModelTensor.matrix("model.embed_tokens", embedding())));
    for (int l = 0; l < shape.layers(); l++) {
      shards.add(layer(l));
    }
    shards.add(
        List.of(
            ModelTensor.ones("model.norm", hidden),
            ModelTensor.matrix("lm_head", noise(shape.vocab(), hidden, 3, "lm_head"))));
    return shards;
  }

  private List<ModelTensor> layer(int l) {
    String name = "model.layers." + l + ".";
    int hidden = shape.hidden();
    int queries = shape.heads() * shape.headDim();
    int keys = shape.kvHeads() * shape.headDim();
    double added = Math.sqrt(ADDED / (2 * shape.layers()));
    return List.of(
        ModelTensor.ones(name + "input_layernorm", hidden),
        ModelTensor.matrix(
            name + "self_attn.q_proj",
            projection(name + "q", shape.heads(), head -> vectors(l, head, true))),
        ModelTensor.matrix(
            name + "self_attn.k_proj",
            projection(name + "k", shape.kvHeads(), head -> vectors(l, head, false))),
        ModelTensor.matrix(name + "self_attn.v_proj", noise(keys, hidden, 1, name + "v")),
        ModelTensor.matrix(name + "self_attn.o_proj", noise(hidden, queries, added, name + "o")),
        ModelTensor.ones(name + "post_attention_layernorm", hidden),
        ModelTensor.matrix(name + "mlp.gate_proj", noise(shape.ffn(), hidden, 1, name + "gate")),
        ModelTensor.matrix(name + "mlp.up_proj", noise(shape.ffn(), hidden, 1, name + "up")),
        // silu(gate) * up has a mean square of about 0.36.
        ModelTensor.matrix(
            name + "mlp.down_proj", noise(hidden, shape.ffn(), added / 0.6, name + "down")));
  }

  /** Noise that maps elements of mean square 1 to elements of deviation {@code gain}. */
  private Noise noise(int rows, int cols, double gain, String name) {
    return new Noise(rows, cols, gain / Math.sqrt(cols), seed * 1_000_003 + name.hashCode());
  }

  private HostMatrix embedding() {
    double light = Math.sqrt(1 - COMMON * COMMON);
    Noise noise =
        noise(shape.vocab(), shape.hidden(), Math.sqrt(shape.hidden()), "model.embed_tokens");
    if (plain) {
      return noise;
    }
    float rest = (float) Math.sqrt(1 - COMMON * COMMON - HEAVY * HEAVY);
    return new Rows(noise) {
      @Override
      void change(long id, float[] row, int at) {
        boolean isHeavy = id % HEAVY_EVERY == HEAVY_EVERY - 1;
        for (int i = 0; i < cols(); i++) {
          row[at + i] =
              isHeavy
                  ? rest * row[at + i] + (float) COMMON * common[i] + (float) HEAVY * heavy[i]
                  : (float) light * row[at + i] + (float) COMMON * common[i];
        }
      }
    };
  }

  /**
   * What a head makes of the two directions [D].
   *
   * @param ofCommon of the common direction
   * @param ofHeavy of that of heavy tokens
   */
  private record Vectors(double[] ofCommon, double[] ofHeavy) {}

  private interface VectorsOfHead {
    Vectors of(int head);
  }

  /** W_q or W_k [heads * D, hidden]. */
  private HostMatrix projection(String name, int heads, VectorsOfHead vectorsOf) {
    int d = shape.headDim();
    int hidden = shape.hidden();
    double gain = plain ? 1 : NOISE / Math.sqrt(1 - COMMON * COMMON);
    Noise noise = noise(heads * d, hidden, gain, name);
    if (plain) {
      return noise;
    }
    List<Vectors> vectors = new ArrayList<>();
    for (int head = 0; head < heads; head++) {
      vectors.add(vectorsOf.of(head));
    }
    return new Rows(noise) {
      @Override
      void change(long element, float[] row, int at) {
        Vectors mine = vectors.get((int) element / d);
        int i = (int) element % d;
        double dot = 0;
        for (int c = 0; c < hidden; c++) {
          dot += row[at + c] * common[c];
        }
        float onCommon = (float) ((mine.ofCommon[i] / COMMON - dot) / hidden);
        float onHeavy = (float) (mine.ofHeavy[i] / HEAVY / hidden);
        for (int c = 0; c < hidden; c++) {
          row[at + c] += onCommon * common[c] + onHeavy * heavy[c];
        }
      }
    };
  }

  /** Vectors of a query head, or of the KV head that it reads, of one layer. */
  private Vectors vectors(int layer, int head, boolean isQuery) {
    int d = shape.headDim();
    int pairs = d / 2;
    int kvHead = isQuery ? head / (shape.heads() / shape.kvHeads()) : head;
    SplittableRandom phases = new SplittableRandom(seed * 7919 + layer * 1000L + kvHead);
    SplittableRandom own = new SplittableRandom(seed * 6007 + layer * 1000L + head);
    // The bands of a query head's amplitudes.
    double fast = own.nextBoolean() ? SHORTEST : SHORTEST * 1.36;
    boolean near = own.nextBoolean();
    double middle = near ? 400 : 1400;
    double slow = near ? 1400 : 16000;
    // The key's vector has the same length in every pair; the query's has the head's amplitude.
    double length = Math.sqrt(SCORE_OF_PAIR * REFERENCE_PAIRS / pairs * Math.sqrt(shape.headDim()));
    double[] ofCommon = new double[d];
    double[] ofHeavy = new double[d];
    int still = 0;
    for (int i = 0; i < pairs; i++) {
      still += wavelength(i) > LONGEST ? 1 : 0;
    }
    for (int i = 0; i < pairs; i++) {
      double phase = 2 * Math.PI * phases.nextDouble();
      double vary = isQuery ? 0.85 + 0.3 * own.nextDouble() : 1;
      double wave = wavelength(i);
      double amplitude = wave < fast ? 0 : wave >= middle && wave < slow ? 1.5 : 1;
      if (wave > LONGEST) {
        // Only heavy tokens score here.
        place(ofCommon, i, phase, isQuery ? length : 0);
        double score = HEAVY_SCORE * Math.sqrt(shape.headDim()) / still;
        place(ofHeavy, i, phase, isQuery ? 0 : score / length);
      } else {
        place(ofCommon, i, phase, isQuery ? length * amplitude * vary : length);
      }
    }
    return new Vectors(ofCommon, ofHeavy);
  }

  private double wavelength(int pair) {
    return 2 * Math.PI * Math.pow(ModelShape.ROPE_THETA, 2.0 * pair / shape.headDim());
  }

  /** Sets a rotary pair, halves apart as in Llama. */
  private static void place(double[] vector, int pair, double phase, double length) {
    vector[pair] = length * Math.cos(phase);
    vector[pair + vector.length / 2] = length * Math.sin(phase);
  }

  /** Noise whose rows are changed. */
  private abstract static class Rows implements HostMatrix {
    private final Noise noise;

    Rows(Noise noise) {
      this.noise = noise;
    }

    abstract void change(long row, float[] values, int at);

    @Override
    public long rows() {
      return noise.rows();
    }

    @Override
    public int cols() {
      return noise.cols();
    }

    @Override
    public void read(long from, int count, float[] target, int offset) {
      noise.read(from, count, target, offset);
      for (int i = 0; i < count; i++) {
        change(from + i, target, offset + i * cols());
      }
    }
  }
}
