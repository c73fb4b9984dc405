package io.sparsefill.job.report;

import java.util.List;

/**
 * How the series of a chart are told apart: by one of eight colours that colour-blind readers can
 * tell apart too (after Okabe and Ito), by one of five shapes, and by the dashes of their lines.
 * The colours are those of the style sheet.
 *
 * @param index the series' place in the legend
 */
record Mark(int index) {
  private static final int COLOURS = 8;
  private static final int SHAPES = 5;
  private static final List<String> DASHES = List.of("none", "7 4", "2 3", "9 3 2 3");

  /** The style sheet's class that sets the colour. */
  String colour() {
    return "series s" + index % COLOURS;
  }

  String dashes() {
    return DASHES.get(index / COLOURS % DASHES.size());
  }

  /** Draws the mark at a place, with a text that shows when it is pointed at. */
  void draw(Markup svg, double x, double y, String hint) {
    String path =
        switch (index % SHAPES) {
          case 0 -> "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z"; // circle
          case 1 -> "M-3.6,-3.6h7.2v7.2h-7.2z"; // square
          case 2 -> "M0,-4.8l4.6,8.2h-9.2z"; // triangle
          case 3 -> "M0,-5l5,5l-5,5l-5,-5z"; // diamond
          default -> "M0,4.8l4.6,-8.2h-9.2z"; // triangle on its head
        };
    svg.open(
        "path",
        "class",
        colour() + " mark",
        "d",
        path,
        "transform",
        "translate(" + Markup.coordinate(x) + "," + Markup.coordinate(y) + ")");
    if (!hint.isEmpty()) {
      svg.element("title", hint);
    }
    svg.close();
  }

  /** The legend of a chart: each series' mark and name. */
  static void legend(Markup out, List<String> names, boolean lines) {
    out.open("ul", "class", "legend");
    for (int i = 0; i < names.size(); i++) {
      Mark mark = new Mark(i);
      out.open("li").open("svg", "width", 28, "height", 14, "aria-hidden", "true");
      if (lines) {
        out.leaf(
            "line",
            "class",
            mark.colour() + " line",
            "x1",
            1,
            "y1",
            7,
            "x2",
            27,
            "y2",
            7,
            "stroke-dasharray",
            mark.dashes());
      }
      mark.draw(out, 14, 7, "");
      out.close().text(names.get(i)).close();
    }
    out.close();
  }
}
