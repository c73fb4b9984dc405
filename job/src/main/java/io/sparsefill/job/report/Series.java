package io.sparsefill.job.report;

import java.util.List;

/**
 * Points of one name, which share a colour and a mark.
 *
 * @param name what the legend says
 * @param points the points, of a line from left to right
 */
public record Series(String name, List<Point> points) {
  /**
   * A point.
   *
   * @param x value on the first axis
   * @param y value on the second; NaN for a gap
   * @param name what it stands for; empty where the axes say it
   */
  public record Point(double x, double y, String name) {
    /** A point that the axes explain. */
    public Point(double x, double y) {
      this(x, y, "");
    }
  }

  /** Takes a copy of the points. */
  public Series {
    points = List.copyOf(points);
  }
}
