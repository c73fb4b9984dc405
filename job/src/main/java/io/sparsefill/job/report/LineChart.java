package io.sparsefill.job.report;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.DoubleStream;

/**
 * Lines over a common axis, with a table of all values under them; of many points it is folded
 * away.
 *
 * @param title heading
 * @param x axis from left to right; its numbers stand at the points
 * @param y axis from below
 * @param series the lines
 */
public record LineChart(String title, Axis x, Axis y, List<Series> series) implements Part {
  /** Points that the table has as columns; of more each is a row, folded away. */
  private static final int MOST_COLUMNS = 16;

  /** Takes a copy of the series. */
  public LineChart {
    series = List.copyOf(series);
  }

  @Override
  public String html() {
    Markup out = new Markup();
    out.open("figure", "class", "chart").element("figcaption", title);
    double[] xs = values(true).filter(x::holds).sorted().distinct().toArray();
    if (series.stream().flatMap(line -> line.points().stream()).noneMatch(this::holds)) {
      return out.element("p", "No values.", "class", "none").close().toString();
    }
    Frame frame = new Frame(x.over(xs), y.over(values(false).toArray()));
    frame.open(out, title, DoubleStream.of(xs).boxed().toList());
    for (int i = 0; i < series.size(); i++) {
      line(out, frame, series.get(i), new Mark(i));
    }
    out.close();
    Mark.legend(out, series.stream().map(Series::name).toList(), true);
    if (xs.length > MOST_COLUMNS) {
      Table.onDemand(out, tall(xs));
    } else {
      out.part(table(xs).html());
    }
    return out.close().toString();
  }

  private DoubleStream values(boolean first) {
    return series.stream()
        .flatMap(line -> line.points().stream())
        .mapToDouble(point -> first ? point.x() : point.y());
  }

  private void line(Markup out, Frame frame, Series line, Mark mark) {
    StringBuilder path = new StringBuilder();
    boolean drawing = false;
    for (Series.Point point : line.points()) {
      if (holds(point)) {
        path.append(drawing ? 'L' : 'M')
            .append(Markup.coordinate(frame.x(point.x())))
            .append(',')
            .append(Markup.coordinate(frame.y(point.y())));
      }
      drawing = holds(point);
    }
    if (!path.isEmpty()) {
      out.leaf(
          "path", "class", mark.colour() + " line", "d", path, "stroke-dasharray", mark.dashes());
    }
    for (Series.Point point : line.points()) {
      if (holds(point)) {
        String hint =
            "%s, %s: %s"
                .formatted(line.name(), x.unit().format(point.x()), y.unit().format(point.y()));
        mark.draw(out, frame.x(point.x()), frame.y(point.y()), hint);
      }
    }
  }

  private boolean holds(Series.Point point) {
    return x.holds(point.x()) && y.holds(point.y());
  }

  private Table table(double[] xs) {
    List<String> head = new ArrayList<>();
    head.add(x.label());
    DoubleStream.of(xs).forEach(value -> head.add(x.unit().format(value)));
    List<List<String>> rows = new ArrayList<>();
    for (Series line : series) {
      List<String> row = new ArrayList<>();
      row.add(line.name());
      for (double at : xs) {
        row.add(y.unit().format(valueAt(line, at)));
      }
      rows.add(row);
    }
    return new Table("", head, rows);
  }

  private Table tall(double[] xs) {
    List<String> head = new ArrayList<>();
    head.add(x.label());
    series.forEach(line -> head.add(line.name()));
    List<List<String>> rows = new ArrayList<>();
    for (double at : xs) {
      List<String> row = new ArrayList<>();
      row.add(x.unit().format(at));
      series.forEach(line -> row.add(y.unit().format(valueAt(line, at))));
      rows.add(row);
    }
    return new Table("", head, rows);
  }

  private static double valueAt(Series line, double at) {
    return line.points().stream()
        .filter(point -> point.x() == at)
        .mapToDouble(Series.Point::y)
        .findFirst()
        .orElse(Double.NaN);
  }
}
