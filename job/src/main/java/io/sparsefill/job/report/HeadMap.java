package io.sparsefill.job.report;

import java.util.ArrayList;
import java.util.List;

/**
 * The patterns of a model's heads: a row for a layer, a cell for a head, its colour the kind of
 * pattern, the height to which it is filled the density. A table of all heads opens on demand.
 *
 * @param title heading
 * @param layers [layer][head]; layers may have different numbers of heads
 */
public record HeadMap(String title, List<List<Head>> layers) implements Part {
  /**
   * A head.
   *
   * @param kind kind of pattern, {@code vertical-slash}
   * @param density computed share of the causal tiles, 0 to 1, or NaN where it was not measured
   * @param detail sizes and what else belongs to it, {@code 100:800}; may be empty
   */
  public record Head(String kind, double density, String detail) {}

  private static final int WIDTH = 1040;
  private static final int LEFT = 58;
  private static final int TOP = 24;
  private static final int BOTTOM = 28;
  private static final int LARGEST_CELL = 54;

  /** Cells from this width on have room for a number. */
  private static final int CELL_WITH_TEXT = 40;

  /** Takes a copy of the layers. */
  public HeadMap {
    layers = layers.stream().map(List::copyOf).toList();
  }

  @Override
  public String html() {
    Markup out = new Markup();
    out.open("figure").element("figcaption", title);
    int heads = layers.stream().mapToInt(List::size).max().orElse(0);
    if (heads == 0) {
      return out.element("p", "No values.", "class", "none").close().toString();
    }
    List<String> kinds =
        layers.stream().flatMap(List::stream).map(Head::kind).distinct().sorted().toList();
    double cell = Math.max(8, Math.min(LARGEST_CELL, (WIDTH - LEFT) / (double) heads));
    double height = Math.min(cell, 26);
    double width = LEFT + heads * cell + 8;
    double bottom = TOP + layers.size() * height;
    out.open(
        "svg",
        "width",
        width,
        "height",
        bottom + BOTTOM,
        "viewBox",
        "0 0 %s %s".formatted(Markup.coordinate(width), Markup.coordinate(bottom + BOTTOM)),
        "role",
        "img",
        "aria-label",
        title);
    numbers(out, heads, cell, height);
    for (int l = 0; l < layers.size(); l++) {
      for (int h = 0; h < layers.get(l).size(); h++) {
        Head head = layers.get(l).get(h);
        out.open("g").element("title", hint(l, h, head));
        Mark mark = new Mark(kinds.indexOf(head.kind));
        draw(out, head, mark, LEFT + h * cell, TOP + l * height, cell, height);
        out.close();
      }
    }
    out.element(
        "text",
        "head",
        "class",
        "label",
        "x",
        LEFT + heads * cell / 2,
        "y",
        bottom + 18,
        "text-anchor",
        "middle");
    out.element(
        "text",
        "layer",
        "class",
        "label",
        "transform",
        "translate(14,%s) rotate(-90)".formatted(Markup.coordinate((TOP + bottom) / 2)),
        "text-anchor",
        "middle");
    out.close().open("ul", "class", "legend");
    for (int k = 0; k < kinds.size(); k++) {
      out.open("li").open("svg", "width", 14, "height", 14, "aria-hidden", "true");
      out.leaf("rect", "class", new Mark(k).colour() + " filled", "width", 14, "height", 14);
      out.close().text(kinds.get(k)).close();
    }
    return table(out.close()).close().toString();
  }

  /** Numbers of heads and layers, as many as have room. */
  private void numbers(Markup out, int heads, double cell, double height) {
    int everyHead = (int) Math.ceil(22 / cell);
    for (int h = 0; h < heads; h += everyHead) {
      out.element(
          "text",
          Integer.toString(h),
          "class",
          "tick",
          "x",
          LEFT + (h + 0.5) * cell,
          "y",
          TOP - 7,
          "text-anchor",
          "middle");
    }
    int everyLayer = (int) Math.ceil(13 / height);
    for (int l = 0; l < layers.size(); l += everyLayer) {
      out.element(
          "text",
          Integer.toString(l),
          "class",
          "tick",
          "x",
          LEFT - 8,
          "y",
          TOP + (l + 0.5) * height + 4,
          "text-anchor",
          "end");
    }
  }

  private static void draw(
      Markup out, Head head, Mark mark, double x, double y, double cell, double height) {
    double gap = cell < 16 ? 0.5 : 1;
    double inner = height - 2 * gap;
    out.leaf(
        "rect",
        "class",
        mark.colour() + " pale",
        "x",
        x + gap,
        "y",
        y + gap,
        "width",
        cell - 2 * gap,
        "height",
        inner);
    if (head.density > 0) { // and thus not NaN
      double filled = Math.min(1, head.density) * inner;
      out.leaf(
          "rect",
          "class",
          mark.colour() + " filled",
          "x",
          x + gap,
          "y",
          y + gap + inner - filled,
          "width",
          cell - 2 * gap,
          "height",
          filled);
    }
    if (cell >= CELL_WITH_TEXT) {
      out.element(
          "text",
          Unit.SHARE.format(head.density),
          "class",
          "value over",
          "x",
          x + cell / 2,
          "y",
          y + height / 2 + 4,
          "text-anchor",
          "middle");
    }
  }

  private static String hint(int layer, int head, Head found) {
    return "layer %d, head %d: %s%s, density %s"
        .formatted(
            layer,
            head,
            found.kind,
            found.detail.isEmpty() ? "" : " " + found.detail,
            Unit.SHARE.format(found.density));
  }

  private Markup table(Markup out) {
    List<List<String>> rows = new ArrayList<>();
    for (int l = 0; l < layers.size(); l++) {
      for (int h = 0; h < layers.get(l).size(); h++) {
        Head head = layers.get(l).get(h);
        rows.add(
            List.of(
                Integer.toString(l),
                Integer.toString(h),
                head.kind,
                head.detail,
                Unit.SHARE.format(head.density)));
      }
    }
    return Table.onDemand(
        out, new Table("", List.of("layer", "head", "pattern", "sizes", "density"), rows));
  }
}
