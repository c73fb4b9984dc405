package io.sparsefill.udf.search;

import java.util.List;
import java.util.Locale;
import java.util.stream.DoubleStream;

/**
 * How many tiles the heads of a model may compute on the longest samples, and the densities that
 * candidates are tried at. With one level every head computes as many; with several, heads share:
 * the mean over all heads is within the density, and who needs more tiles gets them from those that
 * do without (as AdaKV, arXiv 2407.11550, shares a cache's room, and PyramidKV, 2406.02069, by
 * layer; here by errors that were measured).
 *
 * @param density share of the causal tiles, of each head or in the mean
 * @param tolerance how far a candidate's tiles may be from a level's, as a share of them
 * @param levels densities, ascending
 */
public record Budget(double density, double tolerance, List<Double> levels) {
  /** Every head computes as much. */
  public static final List<Double> UNIFORM = List.of(1.0);

  /** A quarter to four times of what each head would compute, in steps that double it. */
  public static final List<Double> ADAPTIVE = List.of(0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0);

  /** Takes a copy of the levels. */
  public Budget {
    levels = List.copyOf(levels);
  }

  /**
   * A budget of levels relative to its density. Levels that nothing is cheap enough for are left
   * out, and so are those that would be dense.
   *
   * @param factors each above 0, one of them at most 1
   * @param cheapest density below which no candidate's smallest member is
   * @throws IllegalArgumentException if heads shall share and these levels leave no choice
   */
  public static Budget of(double density, double tolerance, List<Double> factors, double cheapest) {
    DoubleStream levels =
        factors.stream().mapToDouble(factor -> Math.round(factor * density * 1e9) / 1e9).sorted();
    List<Double> possible =
        levels.filter(level -> level < 1 && level * (1 + tolerance) >= cheapest).boxed().toList();
    if (factors.size() > 1
        && (possible.size() < 2 || possible.get(0) > density * (1 + tolerance))) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "Cannot share a density of %.4f: the smallest patterns compute %.4f of the causal tiles, and of the levels %s of that density only %s lie between that and all tiles; give other levels, another density or longer samples, or let heads not share",
              density,
              cheapest,
              factors,
              possible.stream().map(level -> String.format(Locale.ROOT, "%.4f", level)).toList()));
    }
    return new Budget(density, tolerance, possible);
  }

  /** Whether heads share one budget. */
  public boolean shared() {
    return levels.size() > 1;
  }
}
