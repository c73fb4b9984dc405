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
      keys[i] = key(scores[i], i);
    }
    select(keys, n, n - k);
    int[] chosen = new int[k];
    for (int i = 0; i < k; i++) {
      chosen[i] = (int) keys[n - k + i];
    }
    Arrays.sort(chosen);
    return chosen;
  }

  /**
   * A number by which scores and their indices are ordered: the larger score, and among equal ones
   * the higher index, has the larger number. NaN is above all.
   */
  public static long key(float score, int index) {
    int bits = Float.floatToRawIntBits(score + 0f);
    int ordered = Float.isNaN(score) ? Integer.MAX_VALUE : bits ^ ((bits >> 31) & 0x7fffffff);
    return ((long) ordered << 32) | index;
  }

  /**
   * The {@link #key} of the {@code k}-th largest of {@code count} scores from {@code from} on,
   * whose indices are counted from there.
   *
   * @param keys scratch for at least {@code count} numbers
   */
  public static long least(float[] scores, int from, int count, int k, long[] keys) {
    if (k >= count) {
      return Long.MIN_VALUE;
    }
    for (int i = 0; i < count; i++) {
      keys[i] = key(scores[from + i], i);
    }
    select(keys, count, count - k);
    return keys[count - k];
  }

  /**
   * Quickselect with the median of three: afterwards keys[from .. count) are the largest ones, the
   * least of them first.
   */
  private static void select(long[] keys, int count, int from) {
    int low = 0;
    int high = count - 1;
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
