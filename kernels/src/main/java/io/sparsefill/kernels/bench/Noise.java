package io.sparsefill.kernels.bench;

import io.sparsefill.kernels.HostMatrix;

/**
 * A matrix of numbers that are nearly normally distributed, computed from their place when they are
 * read: any size, no memory, the same for every reader.
 *
 * @param deviation their standard deviation
 * @param seed another seed gives other numbers
 */
public record Noise(long rows, int cols, double deviation, long seed) implements HostMatrix {
  /** Deviation of the sum of four uniform 16-bit numbers. */
  private static final double SUM_DEVIATION = 65536 / Math.sqrt(3);

  @Override
  public void read(long from, int count, float[] target, int offset) {
    float factor = (float) (deviation / SUM_DEVIATION);
    long place = from * cols;
    for (int i = 0; i < count * cols; i++) {
      target[offset + i] = factor * sum(place + i, seed);
    }
  }

  /** The number at a place. */
  float at(long row, int col) {
    return (float) (deviation / SUM_DEVIATION) * sum(row * cols + col, seed);
  }

  /** The sum of the four 16-bit parts of a hash, less its mean (SplitMix64's finalizer). */
  private static int sum(long place, long seed) {
    long z = place + seed * 0x9e3779b97f4a7c15L;
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    z ^= z >>> 31;
    int parts =
        (int) (z & 0xffff)
            + (int) (z >>> 16 & 0xffff)
            + (int) (z >>> 32 & 0xffff)
            + (int) (z >>> 48);
    return parts - 131070;
  }
}
