package io.sparsefill.job.report;

import java.util.List;

/**
 * Values by column and row, each a coloured cell with its number; NaN is an empty cell.
 *
 * @param title heading
 * @param x what the columns are
 * @param columns names of the columns
 * @param y what the rows are
 * @param rows names of the rows, from above
 * @param values [row][column]
 * @param unit how values are written
 * @param low value of the darkest colour
 * @param high value of the lightest
 */
public record HeatMap(
    String title,
    String x,
    List<String> columns,
    String y,
    List<String> rows,
    List<List<Double>> values,
    Unit unit,
    double low,
    double high)
    implements Part {
  private static final int CELL_WIDTH = 50;
  private static final int CELL_HEIGHT = 26;
  private static final int TOP = 26;
  private static final int SCALE = 52;

  /** Checks the shape. */
  public HeatMap {
    columns = List.copyOf(columns);
    rows = List.copyOf(rows);
    values = values.stream().map(List::copyOf).toList();
    if (values.size() != rows.size()) {
      throw new IllegalArgumentException(
          "Cannot draw '%s': %d rows of values, %d names"
              .formatted(title, values.size(), rows.size()));
    }
    for (List<Double> row : values) {
      if (row.size() != columns.size()) {
        throw new IllegalArgumentException(
            "Cannot draw '%s': a row has %d values, the columns %d names"
                .formatted(title, row.size(), columns.size()));
      }
    }
  }

  @Override
  public String html() {
    Markup out = new Markup();
    out.open("figure").element("figcaption", title);
    if (rows.isEmpty() || columns.isEmpty()) {
      return out.element("p", "No values.", "class", "none").close().toString();
    }
    double left = 34 + 7.0 * rows.stream().mapToInt(String::length).max().orElseThrow();
    double right = left + columns.size() * (double) CELL_WIDTH;
    double bottom = TOP + rows.size() * (double) CELL_HEIGHT;
    double width = Math.max(right + 8, left + 190);
    out.open(
        "svg",
        "width",
        width,
        "height",
        bottom + SCALE,
        "viewBox",
        "0 0 %s %s".formatted(Markup.coordinate(width), Markup.coordinate(bottom + SCALE)),
        "role",
        "img",
        "aria-label",
        title);
    for (int c = 0; c < columns.size(); c++) {
      out.element(
          "text",
          columns.get(c),
          "class",
          "tick",
          "x",
          left + (c + 0.5) * CELL_WIDTH,
          "y",
          TOP - 8,
          "text-anchor",
          "middle");
    }
    for (int r = 0; r < rows.size(); r++) {
      out.element(
          "text",
          rows.get(r),
          "class",
          "tick",
          "x",
          left - 8,
          "y",
          TOP + (r + 0.5) * CELL_HEIGHT + 4,
          "text-anchor",
          "end");
      for (int c = 0; c < columns.size(); c++) {
        cell(out, left + c * (double) CELL_WIDTH, TOP + r * (double) CELL_HEIGHT, r, c);
      }
    }
    out.element(
        "text",
        y,
        "class",
        "label",
        "transform",
        "translate(14,%s) rotate(-90)".formatted(Markup.coordinate((TOP + bottom) / 2)),
        "text-anchor",
        "middle");
    out.element(
        "text",
        x,
        "class",
        "label",
        "x",
        (left + right) / 2,
        "y",
        bottom + 20,
        "text-anchor",
        "middle");
    scale(out, left, bottom + 34);
    return out.close().close().toString();
  }

  private void cell(Markup out, double x0, double y0, int r, int c) {
    double value = values.get(r).get(c);
    String text = unit.format(value);
    out.open("g").element("title", "%s, %s: %s".formatted(columns.get(c), rows.get(r), text));
    if (Double.isNaN(value)) {
      out.leaf(
          "rect",
          "class",
          "empty",
          "x",
          x0 + 1,
          "y",
          y0 + 1,
          "width",
          CELL_WIDTH - 2,
          "height",
          CELL_HEIGHT - 2);
      out.element(
          "text",
          text,
          "class",
          "tick",
          "x",
          x0 + CELL_WIDTH / 2.0,
          "y",
          y0 + CELL_HEIGHT / 2.0 + 4,
          "text-anchor",
          "middle");
    } else {
      double share = (value - low) / (high - low);
      out.leaf(
          "rect",
          "x",
          x0 + 1,
          "y",
          y0 + 1,
          "width",
          CELL_WIDTH - 2,
          "height",
          CELL_HEIGHT - 2,
          "fill",
          Ramp.colour(share));
      out.element(
          "text",
          text,
          "class",
          "value " + Ramp.textClass(share),
          "x",
          x0 + CELL_WIDTH / 2.0,
          "y",
          y0 + CELL_HEIGHT / 2.0 + 4,
          "text-anchor",
          "middle");
    }
    out.close();
  }

  /** The ramp with the numbers of its ends. */
  private void scale(Markup out, double x0, double y0) {
    int steps = 24;
    double step = 4;
    String from = unit.format(low);
    double start = x0 + 7.0 * from.length() + 6;
    out.element("text", from, "class", "tick", "x", x0, "y", y0 + 10);
    for (int i = 0; i < steps; i++) {
      out.leaf(
          "rect",
          "x",
          start + i * step,
          "y",
          y0,
          "width",
          step + 0.3,
          "height",
          12,
          "fill",
          Ramp.colour(i / (steps - 1.0)));
    }
    out.element(
        "text", unit.format(high), "class", "tick", "x", start + steps * step + 6, "y", y0 + 10);
  }
}
