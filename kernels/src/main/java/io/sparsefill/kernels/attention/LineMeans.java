package io.sparsefill.kernels.attention;

import io.sparsefill.kernels.AttentionShape;

/**
 * The mean weight that rows give to each column and to each diagonal, over those rows which can see
 * it and for which it counts. A sum would favour what many rows can see, and a line's cost is
 * counted in rows as well: what it holds of each is what it is worth.
 *
 * <p>For columns the distances do not count that are always chosen, and for diagonals not the
 * columns that are.
 */
public final class LineMeans {
  /** Distances from this one on count for columns. */
  public static final int NEAREST_OF_COLUMNS = LineSelection.FORCED_DISTANCES;

  /** Keys from this one on count for diagonals. */
  public static final int FIRST_OF_DIAGONALS = LineSelection.FORCED_VERTICALS;

  private final AttentionShape shape;
  private final double[] vertical;
  private final double[] slash;
  private final int[] columnRows;
  private final int[] distanceRows;

  /** No rows yet. */
  public LineMeans(AttentionShape shape) {
    this.shape = shape;
    int tokens = shape.tokens();
    vertical = new double[tokens];
    slash = new double[tokens];
    columnRows = new int[tokens + 1];
    distanceRows = new int[tokens + 1];
  }

  /**
   * Adds what rows give to the lines.
   *
   * @param columns sum of the weights on each key that count [T]
   * @param diagonals sum over each diagonal [T]; index t is distance T - 1 - t
   */
  public void add(ProbeRows rows, float[] columns, float[] diagonals) {
    int tokens = shape.tokens();
    for (int i = 0; i < tokens; i++) {
      vertical[i] += columns[i];
      slash[i] += diagonals[i];
    }
    for (int q = rows.first(); q < rows.first() + rows.count(); q++) {
      int first = shape.firstKey(q);
      count(columnRows, first, q - NEAREST_OF_COLUMNS + 1);
      count(distanceRows, 0, q - Math.max(first, FIRST_OF_DIAGONALS) + 1);
    }
  }

  /** Adds one to [from, to), as a step up and one down. */
  private static void count(int[] steps, int from, int to) {
    if (from < to) {
      steps[from]++;
      steps[to]--;
    }
  }

  /** Means of the columns [T]; 0 where no row counts. */
  public float[] vertical() {
    float[] means = new float[shape.tokens()];
    int rows = 0;
    for (int key = 0; key < means.length; key++) {
      rows += columnRows[key];
      means[key] = rows == 0 ? 0 : (float) (vertical[key] / rows);
    }
    return means;
  }

  /** Means of the diagonals [T], index t is distance T - 1 - t; 0 where no row counts. */
  public float[] slash() {
    float[] means = new float[shape.tokens()];
    int rows = 0;
    for (int distance = 0; distance < means.length; distance++) {
      rows += distanceRows[distance];
      int t = means.length - 1 - distance;
      means[t] = rows == 0 ? 0 : (float) (slash[t] / rows);
    }
    return means;
  }

  /** The larger of two scores, line by line: what either finds must not get lost. */
  public static float[] larger(float[] a, float[] b) {
    float[] larger = new float[a.length];
    for (int i = 0; i < a.length; i++) {
      larger[i] = Math.max(a[i], b[i]);
    }
    return larger;
  }
}
