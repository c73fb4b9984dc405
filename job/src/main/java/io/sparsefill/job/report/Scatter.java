package io.sparsefill.job.report;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.DoubleStream;

/**
 * Points by two values, with a table of them that opens on demand. Points without a place on an
 * axis (NaN, or 0 on a logarithmic one) stand in the table only.
 *
 * @param title heading
 * @param x axis from left to right
 * @param y axis from below
 * @param series the points by group
 */
public record Scatter(String title, Axis x, Axis y, List<Series> series) implements Part {
  /** Takes a copy of the series. */
  public Scatter {
    series = List.copyOf(series);
  }

  @Override
  public String html() {
    Markup out = new Markup();
    out.open("figure", "class", "chart").element("figcaption", title);
    double[] xs = values(true).toArray();
    double[] ys = values(false).toArray();
    if (xs.length == 0) {
      out.element("p", "No values.", "class", "none");
    } else {
      Frame frame = new Frame(x.over(xs), y.over(ys));
      frame.open(out, title, frame.x().ticks());
      for (int i = 0; i < series.size(); i++) {
        for (Series.Point point : series.get(i).points()) {
          if (holds(point)) {
            new Mark(i)
                .draw(out, frame.x(point.x()), frame.y(point.y()), hint(series.get(i), point));
          }
        }
      }
      out.close();
      Mark.legend(out, series.stream().map(Series::name).toList(), false);
    }
    return table(out).close().toString();
  }

  private DoubleStream values(boolean first) {
    return series.stream()
        .flatMap(group -> group.points().stream())
        .filter(this::holds)
        .mapToDouble(point -> first ? point.x() : point.y());
  }

  private boolean holds(Series.Point point) {
    return x.holds(point.x()) && y.holds(point.y());
  }

  private String hint(Series group, Series.Point point) {
    return "%s%s: %s %s, %s %s"
        .formatted(
            group.name(),
            point.name().isEmpty() ? "" : ", " + point.name(),
            x.label(),
            x.unit().format(point.x()),
            y.label(),
            y.unit().format(point.y()));
  }

  private Markup table(Markup out) {
    List<List<String>> rows = new ArrayList<>();
    for (Series group : series) {
      for (Series.Point point : group.points()) {
        rows.add(
            List.of(
                group.name(),
                point.name(),
                x.unit().format(point.x()),
                y.unit().format(point.y())));
      }
    }
    return Table.onDemand(
        out, new Table("", List.of("group", "point", x.label(), y.label()), rows));
  }
}
