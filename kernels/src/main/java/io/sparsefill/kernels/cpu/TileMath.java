package io.sparsefill.kernels.cpu;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The arithmetic of one attention tile (64 keys) and the elementwise functions, on heap arrays. Two
 * twins pass the same tests: {@link VectorTileMath} on the JDK's vector module, and {@link
 * ScalarTileMath} in plain loops.
 *
 * <p>Rows come in multiples of 4; widths are multiples of {@link #widthStep()}.
 */
interface TileMath {
  /** Keys of a tile. */
  int KEYS = 64;

  /** Lanes that partial row sums are kept in: [rows][SUM_LANES]. */
  int SUM_LANES = 16;

  /** Multiple that value widths (head_dim) are padded to. */
  int widthStep();

  /**
   * s[rows][64] = q[rows][depth] · kt[depth][64], where row d of kt begins at {@code offset + d *
   * stride}.
   */
  void scores(float[] q, int rows, int depth, float[] kt, int offset, int stride, float[] s);

  /**
   * o[rows][width] += p[rows][64] · v[64][width], where row j of v begins at {@code offset + j *
   * width}.
   */
  void accumulate(float[] p, int rows, float[] v, int offset, float[] o, int width);

  /**
   * One step of the online softmax in base 2 (FlashAttention): raises the rows' maxima to those of
   * {@code s}, scales their sums and outputs down to match, and replaces s[rows][64] by 2^(s -
   * max), adding it to the sums. A row of -infinity becomes 0; a NaN makes the row's sum NaN for
   * good.
   *
   * @param max running maxima [rows]
   * @param sum running sums, spread over lanes [rows][SUM_LANES]
   * @param o outputs [rows][width]
   */
  void softmax(float[] s, int rows, float[] max, float[] sum, float[] o, int width);

  /** s[rows][64] = 2^(s - max[row]) * factor[row]; -infinity becomes 0. */
  void probabilities(float[] s, int rows, float[] max, float[] factor);

  /** target[i] += source[i] for {@code count} elements, count a multiple of 16. */
  void add(float[] target, int targetOffset, float[] source, int sourceOffset, int count);

  /**
   * gate[i] = gate[i] / (1 + e^-gate[i]) * up[i] for {@code count} elements from the offsets on
   * (SwiGLU).
   */
  void siluMul(float[] gate, int gateOffset, float[] up, int upOffset, int count);

  /** The sum of e^(x[i] - max) over {@code count} elements. */
  double sumExp(float[] x, int offset, int count, float max);

  /**
   * One choice for the JVM: vectors when the module is there, else scalar loops with a word on how
   * to get vectors.
   */
  static TileMath choose() {
    Logger log = LoggerFactory.getLogger(TileMath.class);
    boolean module = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
    if (module && VectorTileMath.lanesFit()) {
      return new VectorTileMath();
    }
    log.warn(
        module
            ? "CPU attention runs in scalar loops, about 10 times slower: this CPU's vectors are narrower than 256 bits"
            : "CPU attention runs in scalar loops, about 10 times slower: pass --add-modules jdk.incubator.vector to the JVM");
    return new ScalarTileMath();
  }
}
