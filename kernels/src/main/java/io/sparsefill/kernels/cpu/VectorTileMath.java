package io.sparsefill.kernels.cpu;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link TileMath} on the JDK's vectors. The two products work on register blocks of 4 rows by 4
 * vectors (AVX-512) or by 2 vectors (256 bits, which has half the registers); they are limited by
 * the FMA units. The exponential is a polynomial (relative error below 3e-7).
 */
final class VectorTileMath implements TileMath {
  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();
  private static final boolean WIDE = LANES >= 16;

  /**
   * Below 2^-126 the exponent field runs out: such terms are 0 in any softmax that has one at 1.
   */
  private static final float SMALLEST_EXPONENT = -126f;

  /**
   * Adding and subtracting 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
   */
  private static final float ROUND = 12582912f;

  private static final int ONE_BITS = Float.floatToRawIntBits(1f);

  private static final float LOG2_E = 1.44269504f;

  /** Whether this CPU's vectors have the 8 or 16 lanes that the register blocks are made for. */
  static boolean lanesFit() {
    return LANES == 8 || LANES == 16;
  }

  @Override
  public int widthStep() {
    return 2 * LANES;
  }

  @Override
  public void scores(
      float[] q, int rows, int depth, float[] kt, int offset, int stride, float[] s) {
    for (int r = 0; r < rows; r += 4) {
      if (WIDE) {
        scores4(q, r * depth, depth, kt, offset, stride, s, r * KEYS);
      } else {
        for (int c = 0; c < KEYS; c += 2 * LANES) {
          scores2(q, r * depth, depth, kt, offset + c, stride, s, r * KEYS + c);
        }
      }
    }
  }

  private static void scores4(
      float[] q, int q0, int depth, float[] kt, int offset, int stride, float[] s, int s0) {
    FloatVector a0 = FloatVector.zero(SPECIES);
    FloatVector a1 = a0, a2 = a0, a3 = a0;
    FloatVector b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    FloatVector c0 = a0, c1 = a0, c2 = a0, c3 = a0;
    FloatVector d0 = a0, d1 = a0, d2 = a0, d3 = a0;
    for (int d = 0; d < depth; d++) {
      int at = offset + d * stride;
      FloatVector k0 = FloatVector.fromArray(SPECIES, kt, at);
      FloatVector k1 = FloatVector.fromArray(SPECIES, kt, at + LANES);
      FloatVector k2 = FloatVector.fromArray(SPECIES, kt, at + 2 * LANES);
      FloatVector k3 = FloatVector.fromArray(SPECIES, kt, at + 3 * LANES);
      FloatVector x = FloatVector.broadcast(SPECIES, q[q0 + d]);
      a0 = x.fma(k0, a0);
      a1 = x.fma(k1, a1);
      a2 = x.fma(k2, a2);
      a3 = x.fma(k3, a3);
      x = FloatVector.broadcast(SPECIES, q[q0 + depth + d]);
      b0 = x.fma(k0, b0);
      b1 = x.fma(k1, b1);
      b2 = x.fma(k2, b2);
      b3 = x.fma(k3, b3);
      x = FloatVector.broadcast(SPECIES, q[q0 + 2 * depth + d]);
      c0 = x.fma(k0, c0);
      c1 = x.fma(k1, c1);
      c2 = x.fma(k2, c2);
      c3 = x.fma(k3, c3);
      x = FloatVector.broadcast(SPECIES, q[q0 + 3 * depth + d]);
      d0 = x.fma(k0, d0);
      d1 = x.fma(k1, d1);
      d2 = x.fma(k2, d2);
      d3 = x.fma(k3, d3);
    }
    store4(s, s0, a0, a1, a2, a3);
    store4(s, s0 + KEYS, b0, b1, b2, b3);
    store4(s, s0 + 2 * KEYS, c0, c1, c2, c3);
    store4(s, s0 + 3 * KEYS, d0, d1, d2, d3);
  }

  private static void store4(
      float[] s, int at, FloatVector x0, FloatVector x1, FloatVector x2, FloatVector x3) {
    x0.intoArray(s, at);
    x1.intoArray(s, at + LANES);
    x2.intoArray(s, at + 2 * LANES);
    x3.intoArray(s, at + 3 * LANES);
  }

  private static void scores2(
      float[] q, int q0, int depth, float[] kt, int offset, int stride, float[] s, int s0) {
    FloatVector a0 = FloatVector.zero(SPECIES);
    FloatVector a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
    for (int d = 0; d < depth; d++) {
      int at = offset + d * stride;
      FloatVector k0 = FloatVector.fromArray(SPECIES, kt, at);
      FloatVector k1 = FloatVector.fromArray(SPECIES, kt, at + LANES);
      FloatVector x = FloatVector.broadcast(SPECIES, q[q0 + d]);
      a0 = x.fma(k0, a0);
      a1 = x.fma(k1, a1);
      x = FloatVector.broadcast(SPECIES, q[q0 + depth + d]);
      b0 = x.fma(k0, b0);
      b1 = x.fma(k1, b1);
      x = FloatVector.broadcast(SPECIES, q[q0 + 2 * depth + d]);
      c0 = x.fma(k0, c0);
      c1 = x.fma(k1, c1);
      x = FloatVector.broadcast(SPECIES, q[q0 + 3 * depth + d]);
      d0 = x.fma(k0, d0);
      d1 = x.fma(k1, d1);
    }
    a0.intoArray(s, s0);
    a1.intoArray(s, s0 + LANES);
    b0.intoArray(s, s0 + KEYS);
    b1.intoArray(s, s0 + KEYS + LANES);
    c0.intoArray(s, s0 + 2 * KEYS);
    c1.intoArray(s, s0 + 2 * KEYS + LANES);
    d0.intoArray(s, s0 + 3 * KEYS);
    d1.intoArray(s, s0 + 3 * KEYS + LANES);
  }

  @Override
  public void accumulate(float[] p, int rows, float[] v, int offset, float[] o, int width) {
    for (int r = 0; r < rows; r += 4) {
      int c = 0;
      if (WIDE) {
        for (; c + 4 * LANES <= width; c += 4 * LANES) {
          accumulate4(p, r * KEYS, v, offset + c, o, r * width + c, width);
        }
      }
      for (; c < width; c += 2 * LANES) {
        accumulate2(p, r * KEYS, v, offset + c, o, r * width + c, width);
      }
    }
  }

  private static void accumulate4(
      float[] p, int p0, float[] v, int v0, float[] o, int o0, int width) {
    int o1 = o0 + width;
    int o2 = o1 + width;
    int o3 = o2 + width;
    FloatVector a0 = FloatVector.fromArray(SPECIES, o, o0);
    FloatVector a1 = FloatVector.fromArray(SPECIES, o, o0 + LANES);
    FloatVector a2 = FloatVector.fromArray(SPECIES, o, o0 + 2 * LANES);
    FloatVector a3 = FloatVector.fromArray(SPECIES, o, o0 + 3 * LANES);
    FloatVector b0 = FloatVector.fromArray(SPECIES, o, o1);
    FloatVector b1 = FloatVector.fromArray(SPECIES, o, o1 + LANES);
    FloatVector b2 = FloatVector.fromArray(SPECIES, o, o1 + 2 * LANES);
    FloatVector b3 = FloatVector.fromArray(SPECIES, o, o1 + 3 * LANES);
    FloatVector c0 = FloatVector.fromArray(SPECIES, o, o2);
    FloatVector c1 = FloatVector.fromArray(SPECIES, o, o2 + LANES);
    FloatVector c2 = FloatVector.fromArray(SPECIES, o, o2 + 2 * LANES);
    FloatVector c3 = FloatVector.fromArray(SPECIES, o, o2 + 3 * LANES);
    FloatVector d0 = FloatVector.fromArray(SPECIES, o, o3);
    FloatVector d1 = FloatVector.fromArray(SPECIES, o, o3 + LANES);
    FloatVector d2 = FloatVector.fromArray(SPECIES, o, o3 + 2 * LANES);
    FloatVector d3 = FloatVector.fromArray(SPECIES, o, o3 + 3 * LANES);
    for (int j = 0; j < KEYS; j++) {
      int at = v0 + j * width;
      FloatVector k0 = FloatVector.fromArray(SPECIES, v, at);
      FloatVector k1 = FloatVector.fromArray(SPECIES, v, at + LANES);
      FloatVector k2 = FloatVector.fromArray(SPECIES, v, at + 2 * LANES);
      FloatVector k3 = FloatVector.fromArray(SPECIES, v, at + 3 * LANES);
      FloatVector x = FloatVector.broadcast(SPECIES, p[p0 + j]);
      a0 = x.fma(k0, a0);
      a1 = x.fma(k1, a1);
      a2 = x.fma(k2, a2);
      a3 = x.fma(k3, a3);
      x = FloatVector.broadcast(SPECIES, p[p0 + KEYS + j]);
      b0 = x.fma(k0, b0);
      b1 = x.fma(k1, b1);
      b2 = x.fma(k2, b2);
      b3 = x.fma(k3, b3);
      x = FloatVector.broadcast(SPECIES, p[p0 + 2 * KEYS + j]);
      c0 = x.fma(k0, c0);
      c1 = x.fma(k1, c1);
      c2 = x.fma(k2, c2);
      c3 = x.fma(k3, c3);
      x = FloatVector.broadcast(SPECIES, p[p0 + 3 * KEYS + j]);
      d0 = x.fma(k0, d0);
      d1 = x.fma(k1, d1);
      d2 = x.fma(k2, d2);
      d3 = x.fma(k3, d3);
    }
    store4(o, o0, a0, a1, a2, a3);
    store4(o, o1, b0, b1, b2, b3);
    store4(o, o2, c0, c1, c2, c3);
    store4(o, o3, d0, d1, d2, d3);
  }

  private static void accumulate2(
      float[] p, int p0, float[] v, int v0, float[] o, int o0, int width) {
    int o1 = o0 + width;
    int o2 = o1 + width;
    int o3 = o2 + width;
    FloatVector a0 = FloatVector.fromArray(SPECIES, o, o0);
    FloatVector a1 = FloatVector.fromArray(SPECIES, o, o0 + LANES);
    FloatVector b0 = FloatVector.fromArray(SPECIES, o, o1);
    FloatVector b1 = FloatVector.fromArray(SPECIES, o, o1 + LANES);
    FloatVector c0 = FloatVector.fromArray(SPECIES, o, o2);
    FloatVector c1 = FloatVector.fromArray(SPECIES, o, o2 + LANES);
    FloatVector d0 = FloatVector.fromArray(SPECIES, o, o3);
    FloatVector d1 = FloatVector.fromArray(SPECIES, o, o3 + LANES);
    for (int j = 0; j < KEYS; j++) {
      int at = v0 + j * width;
      FloatVector k0 = FloatVector.fromArray(SPECIES, v, at);
      FloatVector k1 = FloatVector.fromArray(SPECIES, v, at + LANES);
      FloatVector x = FloatVector.broadcast(SPECIES, p[p0 + j]);
      a0 = x.fma(k0, a0);
      a1 = x.fma(k1, a1);
      x = FloatVector.broadcast(SPECIES, p[p0 + KEYS + j]);
      b0 = x.fma(k0, b0);
      b1 = x.fma(k1, b1);
      x = FloatVector.broadcast(SPECIES, p[p0 + 2 * KEYS + j]);
      c0 = x.fma(k0, c0);
      c1 = x.fma(k1, c1);
      x = FloatVector.broadcast(SPECIES, p[p0 + 3 * KEYS + j]);
      d0 = x.fma(k0, d0);
      d1 = x.fma(k1, d1);
    }
    a0.intoArray(o, o0);
    a1.intoArray(o, o0 + LANES);
    b0.intoArray(o, o1);
    b1.intoArray(o, o1 + LANES);
    c0.intoArray(o, o2);
    c1.intoArray(o, o2 + LANES);
    d0.intoArray(o, o3);
    d1.intoArray(o, o3 + LANES);
  }

  /** 2^x for x <= 0 or -infinity: exactly 0 below 2^-126; NaN for NaN. */
  private static FloatVector exp2(FloatVector x) {
    FloatVector shifted = x.add(ROUND);
    FloatVector f = x.sub(shifted.sub(ROUND));
    FloatVector p = FloatVector.broadcast(SPECIES, 1.5353362e-4f);
    p = p.fma(f, FloatVector.broadcast(SPECIES, 1.3398874e-3f));
    p = p.fma(f, FloatVector.broadcast(SPECIES, 9.6184373e-3f));
    p = p.fma(f, FloatVector.broadcast(SPECIES, 5.5503324e-2f));
    p = p.fma(f, FloatVector.broadcast(SPECIES, 2.4022652e-1f));
    p = p.fma(f, FloatVector.broadcast(SPECIES, 6.9314718e-1f));
    p = p.fma(f, FloatVector.broadcast(SPECIES, 1f));
    // 2^n as a float, for a product: added to the bits of p, it would make numbers of some NaNs.
    IntVector power = shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23).add(ONE_BITS);
    FloatVector result = p.mul(power.reinterpretAsFloats());
    return result.blend(0f, x.compare(VectorOperators.LT, SMALLEST_EXPONENT));
  }

  /**
   * The larger of each lane, in two instructions: without the NaN and signed-zero rules of {@link
   * Math#max}. A NaN may hide here, but not in the exponentials that follow.
   */
  private static FloatVector larger(FloatVector a, FloatVector b) {
    return a.blend(b, b.compare(VectorOperators.GT, a));
  }

  @Override
  public void softmax(float[] s, int rows, float[] max, float[] sum, float[] o, int width) {
    for (int r = 0; r < rows; r++) {
      float top = rowMax(s, r * KEYS);
      // Not `top > max[r]`: a NaN must become the maximum, and stay in the sums.
      if (!(top <= max[r])) {
        float factor =
            max[r] == Float.NEGATIVE_INFINITY ? 0f : (float) Math.exp((max[r] - top) / LOG2_E);
        scale(sum, r * SUM_LANES, SUM_LANES, factor);
        scale(o, r * width, width, factor);
        max[r] = top;
      }
      if (max[r] == Float.NEGATIVE_INFINITY) {
        Arrays.fill(s, r * KEYS, (r + 1) * KEYS, 0f);
      } else {
        exponentials(s, r * KEYS, max[r], sum, r * SUM_LANES);
      }
    }
  }

  private static float rowMax(float[] s, int at) {
    FloatVector top = FloatVector.fromArray(SPECIES, s, at);
    for (int c = LANES; c < KEYS; c += LANES) {
      top = larger(top, FloatVector.fromArray(SPECIES, s, at + c));
    }
    return top.reduceLanes(VectorOperators.MAX);
  }

  private static void exponentials(float[] s, int at, float max, float[] sum, int sumAt) {
    for (int c = 0; c < KEYS; c += LANES) {
      FloatVector p = exp2(FloatVector.fromArray(SPECIES, s, at + c).sub(max));
      p.intoArray(s, at + c);
      FloatVector.fromArray(SPECIES, sum, sumAt + c % SUM_LANES)
          .add(p)
          .intoArray(sum, sumAt + c % SUM_LANES);
    }
  }

  private static void scale(float[] x, int at, int count, float factor) {
    for (int c = 0; c < count; c += LANES) {
      FloatVector.fromArray(SPECIES, x, at + c).mul(factor).intoArray(x, at + c);
    }
  }

  @Override
  public void probabilities(float[] s, int rows, float[] max, float[] factor) {
    for (int r = 0; r < rows; r++) {
      for (int c = r * KEYS; c < (r + 1) * KEYS; c += LANES) {
        exp2(FloatVector.fromArray(SPECIES, s, c).sub(max[r])).mul(factor[r]).intoArray(s, c);
      }
    }
  }

  @Override
  public void add(float[] target, int targetOffset, float[] source, int sourceOffset, int count) {
    for (int i = 0; i < count; i += LANES) {
      FloatVector.fromArray(SPECIES, target, targetOffset + i)
          .add(FloatVector.fromArray(SPECIES, source, sourceOffset + i))
          .intoArray(target, targetOffset + i);
    }
  }

  @Override
  public void siluMul(float[] gate, int gateOffset, float[] up, int upOffset, int count) {
    int i = 0;
    for (; i + LANES <= count; i += LANES) {
      FloatVector x = FloatVector.fromArray(SPECIES, gate, gateOffset + i);
      // x / (1 + e^-x): with e = e^-|x| this is x * e / (1 + e) for x < 0 and x / (1 + e) for the
      // others, and e <= 1.
      FloatVector e = exp2(x.abs().mul(-LOG2_E));
      FloatVector numerator = x.blend(x.mul(e), x.compare(VectorOperators.LT, 0f));
      numerator
          .div(e.add(1f))
          .mul(FloatVector.fromArray(SPECIES, up, upOffset + i))
          .intoArray(gate, gateOffset + i);
    }
    for (; i < count; i++) {
      float x = gate[gateOffset + i];
      gate[gateOffset + i] = (float) (x / (1 + Math.exp(-x))) * up[upOffset + i];
    }
  }

  @Override
  public double sumExp(float[] x, int offset, int count, float max) {
    // Lanes are summed in short stretches, so that a vocabulary of 150,000 loses no digits in fp32.
    int stretch = 64 * LANES;
    double total = 0;
    int i = 0;
    float[] lanes = new float[LANES];
    while (i + LANES <= count) {
      FloatVector sum = FloatVector.zero(SPECIES);
      for (int end = Math.min(count, i + stretch); i + LANES <= end; i += LANES) {
        sum = sum.add(exp2(FloatVector.fromArray(SPECIES, x, offset + i).sub(max).mul(LOG2_E)));
      }
      sum.intoArray(lanes, 0);
      for (float lane : lanes) {
        total += lane;
      }
    }
    for (; i < count; i++) {
      total += Math.exp(x[offset + i] - max);
    }
    return total;
  }
}
