package io.sparsefill.job.report;

import java.util.List;

/**
 * The plotting area of a chart: two axes with grid, numbers and labels.
 *
 * @param x the axis from left to right, its ends set
 * @param y the axis from below, its ends set
 */
record Frame(Axis x, Axis y) {
  private static final int WIDTH = 610;
  private static final int HEIGHT = 330;
  private static final int LEFT = 74;
  private static final int RIGHT = 18;
  private static final int TOP = 12;
  private static final int BOTTOM = 50;

  double x(double value) {
    return LEFT + x.at(value) * (WIDTH - LEFT - RIGHT);
  }

  double y(double value) {
    return HEIGHT - BOTTOM - y.at(value) * (HEIGHT - TOP - BOTTOM);
  }

  /**
   * Opens the drawing and draws the axes.
   *
   * @param title names the drawing for those who hear it
   * @param ticks values with a number on the axis from left to right
   */
  void open(Markup out, String title, List<Double> ticks) {
    out.open(
        "svg",
        "width",
        WIDTH,
        "height",
        HEIGHT,
        "viewBox",
        "0 0 " + WIDTH + " " + HEIGHT,
        "role",
        "img",
        "aria-label",
        title);
    for (double tick : y.ticks()) {
      out.leaf(
          "line", "class", "grid", "x1", LEFT, "x2", WIDTH - RIGHT, "y1", y(tick), "y2", y(tick));
      out.element(
          "text",
          y.unit().tick(tick),
          "class",
          "tick",
          "x",
          LEFT - 8,
          "y",
          y(tick) + 4,
          "text-anchor",
          "end");
    }
    double last = Double.NEGATIVE_INFINITY;
    for (double tick : ticks) {
      double at = x(tick);
      out.leaf("line", "class", "grid", "x1", at, "x2", at, "y1", TOP, "y2", HEIGHT - BOTTOM);
      String number = x.unit().tick(tick);
      double half = 3.5 * number.length() + 3;
      if (at - half >= last) { // numbers that would touch their neighbour are left out
        out.element(
            "text",
            number,
            "class",
            "tick",
            "x",
            at,
            "y",
            HEIGHT - BOTTOM + 18,
            "text-anchor",
            "middle");
        last = at + half;
      }
    }
    out.leaf(
        "path",
        "class",
        "axis",
        "d",
        "M" + LEFT + "," + TOP + "V" + (HEIGHT - BOTTOM) + "H" + (WIDTH - RIGHT));
    out.element(
        "text",
        x.label(),
        "class",
        "label",
        "x",
        (LEFT + WIDTH - RIGHT) / 2.0,
        "y",
        HEIGHT - 10,
        "text-anchor",
        "middle");
    out.element(
        "text",
        y.label(),
        "class",
        "label",
        "transform",
        "translate(15,%s) rotate(-90)".formatted(Markup.coordinate((TOP + HEIGHT - BOTTOM) / 2.0)),
        "text-anchor",
        "middle");
  }
}
