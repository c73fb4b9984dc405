package io.sparsefill.job.report;

import java.util.ArrayList;
import java.util.List;

/**
 * An axis of a chart.
 *
 * @param label what it shows, with its unit
 * @param unit how its numbers are written
 * @param logarithmic whether equal steps are equal factors; values must then be above 0
 * @param min its least value, or NaN for that of the values
 * @param max its greatest value, or NaN for that of the values
 */
public record Axis(String label, Unit unit, boolean logarithmic, double min, double max) {
  /** From the least value to the greatest, in equal steps. */
  public static Axis linear(String label, Unit unit) {
    return new Axis(label, unit, false, Double.NaN, Double.NaN);
  }

  /** From the least value to the greatest, in equal factors. */
  public static Axis logarithmic(String label, Unit unit) {
    return new Axis(label, unit, true, Double.NaN, Double.NaN);
  }

  /** A share of 1, from 0 to 1. */
  public static Axis share(String label) {
    return new Axis(label, Unit.SHARE, false, 0, 1);
  }

  /** Whether a value has a place on this axis. */
  boolean holds(double value) {
    return Double.isFinite(value) && (!logarithmic || value > 0);
  }

  /** The axis with its ends set to fit values, a little room at either side. */
  Axis over(double[] values) {
    double least = Double.POSITIVE_INFINITY;
    double most = Double.NEGATIVE_INFINITY;
    for (double value : values) {
      if (holds(value)) {
        least = Math.min(least, value);
        most = Math.max(most, value);
      }
    }
    double from = scaled(least);
    double to = scaled(most);
    double room = to > from ? 0.05 * (to - from) : logarithmic ? 0.5 : Math.max(1, to) * 0.05;
    return new Axis(
        label,
        unit,
        logarithmic,
        Double.isNaN(min) ? unscaled(from - room) : min,
        Double.isNaN(max) ? unscaled(to + room) : max);
  }

  /** Where a value lies between the ends, 0 to 1. */
  double at(double value) {
    return (scaled(value) - scaled(min)) / (scaled(max) - scaled(min));
  }

  /** Round values between the ends, four to nine of them. */
  List<Double> ticks() {
    return logarithmic ? logarithmicTicks() : linearTicks();
  }

  private List<Double> linearTicks() {
    double rough = (max - min) / 5;
    double power = Math.pow(10, Math.floor(Math.log10(rough)));
    double step = power;
    for (double factor : new double[] {1, 2, 2.5, 5, 10}) {
      step = factor * power;
      if (step >= rough) {
        break;
      }
    }
    List<Double> ticks = new ArrayList<>();
    for (long i = (long) Math.ceil(min / step - 1e-9); i * step <= max + 1e-9 * step; i++) {
      ticks.add(i * step);
    }
    return ticks;
  }

  /** Powers of ten, of many decades every second or third; of few, their twos and fives too. */
  private List<Double> logarithmicTicks() {
    int first = (int) Math.floor(Math.log10(min));
    int last = (int) Math.ceil(Math.log10(max));
    int step = Math.max(1, (last - first) / 6);
    double[] factors = last - first <= 3 ? new double[] {1, 2, 5} : new double[] {1};
    List<Double> ticks = new ArrayList<>();
    for (int decade = first; decade <= last; decade += step) {
      for (double factor : factors) {
        double tick = Double.parseDouble((int) factor + "e" + decade);
        if (tick >= min && tick <= max) {
          ticks.add(tick);
        }
      }
    }
    return ticks;
  }

  private double scaled(double value) {
    return logarithmic ? Math.log(value) : value;
  }

  private double unscaled(double value) {
    return logarithmic ? Math.exp(value) : value;
  }
}
