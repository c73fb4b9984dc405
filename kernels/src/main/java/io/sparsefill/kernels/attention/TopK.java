package io.sparsefill.kernels.attention;

import java.util.Arrays;

/** Indices of the largest scores. */
public final class TopK {
  private TopK() {}

  /**
   * The indices of the {@code k} largest scores, ascending. Among equal scores the higher index
   * wins: in a list of diagonals that is the nearer one. NaN is an error.
   *
   * @throws ArithmeticException if a score is NaN, naming its index
   */
  public static int[] ascending(float[] scores, int k) {
    int n = scores.length;
    for (int i = 0; i < n; i++) {
      if (Float.isNaN(scores[i])) {
        throw new ArithmeticException("Score " + i + " of " + n + " is NaN");
      }
    }
    if (k >= n) {
      int[] all = new int[n];
      Arrays.setAll(all, i -> i);
      return all;
    }
    // Keys of (score, index) are all different, so the selection is the same on every machine.
    long[] keys = new long[n];
    for (int i = 0; i < n; i++) {
      int bits = Float.floatToRawIntBits(scores[i] + 0f);
      int ordered = bits ^ ((bits >> 31) & 0x7fffffff);
      keys[i] = ((long) ordered << 32) | i;
    }
    select(keys, n - k);
    int[] chosen = new int[k];
    for (int i = 0; i < k; i++) {
      chosen[i] = (int) keys[n - k + i];
    }
    Arrays.sort(chosen);
    return chosen;
  }

  /** Quickselect with the median of three: afterwards keys[from ..] are the largest ones. */
  private static void select(long[] keys, int from) {
    int low = 0;
    int high = keys.length - 1;
    while (low < high) {
      long a = keys[low];
      long b = keys[(low + high) >>> 1];
      long c = keys[high];
      long pivot = Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
      int i = low;
      int j = high;
      while (i <= j) {
        while (keys[i] < pivot) {
          i++;
        }
        while (keys[j] > pivot) {
          j--;
        }
        if (i <= j) {
          long swap = keys[i];
          keys[i++] = keys[j];
          keys[j--] = swap;
        }
      }
      if (from <= j) {
        high = j;
      } else if (from >= i) {
        low = i;
      } else {
        return;
      }
    }
  }
}
