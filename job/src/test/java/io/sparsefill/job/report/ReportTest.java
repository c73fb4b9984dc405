package io.sparsefill.job.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.report.HeadMap.Head;
import io.sparsefill.job.report.Series.Point;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilder;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

/** The oracle is the JDK's XML parser: what it reads back must be what was given. */
class ReportTest {
  private static final String HOSTILE =
      "a<b>&\"c' </text><script>alert(1)</script> \u0000\uFFFF\uD800 ]]> ü 🜚";
  private static final String HARMLESS =
      "a<b>&\"c' </text><script>alert(1)</script> \uFFFD\uFFFD\uFFFD ]]> ü 🜚";

  static Stream<Part> parts() {
    return Stream.of(
        new Text("what was measured"),
        new Table("sizes", List.of("mode", "tokens"), List.of(List.of("dense", "1,234"))),
        heatMap("needle", List.of(List.of(1.0, 0.5), List.of(Double.NaN, 0.0))),
        lines("accuracy", List.of(new Point(1024, 1), new Point(2048, Double.NaN))),
        new Scatter(
            "error by density",
            Axis.linear("density", Unit.SHARE),
            Axis.logarithmic("error", Unit.NUMBER),
            List.of(new Series("dense", List.of(new Point(1, 0), new Point(0.5, 1e-4))))),
        new HeadMap(
            "patterns",
            List.of(
                List.of(new Head("dense", 1, ""), new Head("a-shape", 0.25, "64:512")),
                List.of(new Head("a-shape", Double.NaN, "64:512")))));
  }

  static Stream<Part> emptyParts() {
    return Stream.of(
        new Table("none", List.of("mode"), List.of()),
        new HeatMap("none", "x", List.of(), "y", List.of(), List.of(), Unit.SHARE, 0, 1),
        lines("none", List.of()),
        lines("none", List.of(new Point(1024, Double.NaN), new Point(Double.NaN, 1))),
        new Scatter("none", Axis.linear("x", Unit.COUNT), Axis.linear("y", Unit.COUNT), List.of()),
        new HeadMap("none", List.of()),
        new HeadMap("none", List.of(List.of(), List.of())));
  }

  @ParameterizedTest
  @MethodSource({"parts", "emptyParts"})
  void partsAreWellFormedAndNameNoOtherPlace(Part part) throws Exception {
    Document page = page(part);
    assertThat(page.getDocumentElement().getTagName()).isEqualTo("html");
    NodeList all = page.getElementsByTagName("*");
    for (int i = 0; i < all.getLength(); i++) {
      Element element = (Element) all.item(i);
      assertThat(element.getTagName()).isNotIn("script", "link", "img", "iframe", "object");
      for (String name : List.of("href", "src", "xlink:href")) {
        assertThat(element.getAttribute(name)).matches("|#.*");
      }
      for (int a = 0; a < element.getAttributes().getLength(); a++) {
        String value = element.getAttributes().item(a).getNodeValue();
        assertThat(value).doesNotContain("NaN", "Infinity");
        assertThat(value).doesNotContain("://");
      }
    }
    String style = page.getElementsByTagName("style").item(0).getTextContent();
    assertThat(style).contains("prefers-color-scheme: dark").doesNotContain("url(", "@import");
  }

  @ParameterizedTest
  @MethodSource("emptyParts")
  void nothingToShowIsSaid(Part part) throws Exception {
    if (!(part instanceof Table)) {
      assertThat(page(part).getDocumentElement().getTextContent()).contains("No values.");
    }
  }

  @Test
  void everyValueStandsThereAsText() throws Exception {
    List<Point> points = new ArrayList<>();
    List<String> texts = new ArrayList<>();
    for (int i = 0; i < 9; i++) {
      double value = 0.111 + i * 0.0913;
      points.add(new Point(1024 << i, value));
      texts.add(Unit.SHARE.format(value));
      texts.add(Unit.TOKENS.format(1024 << i));
    }
    assertThat(cells(page(lines("accuracy", points)), "th", "td")).containsAll(texts);

    Series group = new Series("vertical-slash", points);
    Axis x = Axis.logarithmic("tokens", Unit.TOKENS);
    Scatter scatter = new Scatter("s", x, Axis.share("hits"), List.of(group));
    assertThat(cells(page(scatter), "td")).containsAll(texts).contains("vertical-slash");

    List<Double> row = points.stream().map(Point::y).toList();
    HeatMap map =
        new HeatMap(
            "m",
            "x",
            points.stream().map(p -> Unit.TOKENS.format(p.x())).toList(),
            "depth",
            List.of("50 %"),
            List.of(row),
            Unit.SHARE,
            0,
            1);
    assertThat(cells(page(map), "text")).containsAll(texts).contains("50 %", "0 %", "100 %");

    List<Head> heads = new ArrayList<>();
    points.forEach(point -> heads.add(new Head("dense", point.y(), "size " + point.x())));
    HeadMap headMap = new HeadMap("h", List.of(heads));
    assertThat(cells(page(headMap), "td"))
        .containsAll(heads.stream().map(Head::detail).toList())
        .containsAll(heads.stream().map(head -> Unit.SHARE.format(head.density())).toList());
  }

  @Test
  void namesCannotBreakThePage() throws Exception {
    Series series = new Series(HOSTILE, List.of(new Point(1, 1, HOSTILE), new Point(2, 2)));
    Axis x = Axis.linear(HOSTILE, Unit.COUNT);
    List<Part> parts =
        List.of(
            new Text(HOSTILE),
            new Table(HOSTILE, List.of(HOSTILE), List.of(List.of(HOSTILE))),
            new HeatMap(
                HOSTILE,
                HOSTILE,
                List.of(HOSTILE),
                HOSTILE,
                List.of(HOSTILE),
                List.of(List.of(0.5)),
                Unit.SHARE,
                0,
                1),
            new LineChart(HOSTILE, x, x, List.of(series)),
            new Scatter(HOSTILE, x, x, List.of(series)),
            new HeadMap(HOSTILE, List.of(List.of(new Head(HOSTILE, 0.5, HOSTILE)))));
    for (Part part : parts) {
      Document read = page(part);
      assertThat(read.getElementsByTagName("script").getLength()).isZero();
      assertThat(read.getDocumentElement().getTextContent()).contains(HARMLESS);
    }
    Page page = new Page(HOSTILE, HOSTILE, List.of(new Section(HOSTILE, HOSTILE, List.of())));
    assertThat(read(page).getElementsByTagName("title").item(0).getTextContent())
        .isEqualTo(HARMLESS);
  }

  /** Coordinates by hand: the frame spans x 74 to 592 and y 280 to 12 for shares. */
  @Test
  void pointsStandWhereTheAxesSay() {
    Axis share = Axis.share("hits");
    Frame frame = new Frame(new Axis("x", Unit.COUNT, true, 1, 100), share);
    assertThat(frame.x(1)).isEqualTo(74);
    assertThat(frame.x(10)).isEqualTo((74 + 592) / 2.0);
    assertThat(frame.x(100)).isEqualTo(592);
    assertThat(frame.y(0)).isEqualTo(280);
    assertThat(frame.y(1)).isEqualTo(12);
    assertThat(frame.y(0.25)).isEqualTo(280 - 67);
  }

  @Test
  void ticksAreRound() {
    assertThat(Axis.share("s").ticks())
        .containsExactly(0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0);
    assertThat(new Axis("p", Unit.NUMBER, false, 44.1, 52.7).ticks())
        .containsExactly(46.0, 48.0, 50.0, 52.0);
    assertThat(new Axis("e", Unit.NUMBER, true, 0.004, 0.3).ticks())
        .containsExactly(0.005, 0.01, 0.02, 0.05, 0.1, 0.2);
    assertThat(new Axis("e", Unit.NUMBER, true, 1e-9, 1).ticks())
        .containsExactly(1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0);
    Axis one = Axis.linear("x", Unit.COUNT).over(new double[] {5, Double.NaN, 5});
    assertThat(one.at(5)).isEqualTo(0.5);
    assertThat(one.ticks()).isNotEmpty();
  }

  @Test
  void numbersAreWrittenOneWay() {
    assertThat(Stream.of(0.0, 46.53, 0.0125, 3.2e-7, 12_345.6, 1e8, -0.5).map(Unit.NUMBER::format))
        .containsExactly("0", "46.53", "0.01250", "3.200e-07", "12,346", "1.000e+08", "-0.5000");
    assertThat(Stream.of(0.5, 3e-7, 20.0, 0.0).map(Unit.NUMBER::tick))
        .containsExactly("0.5", "3e-07", "20", "0");
    assertThat(Stream.of(1.0, 0.979, 0.0, 0.12345, 0.8, 0.9999).map(Unit.SHARE::format))
        .containsExactly("100 %", "97.9 %", "0 %", "12.3 %", "80.0 %", "100.0 %");
    assertThat(Stream.of(1.0, 0.2, 0.025).map(Unit.SHARE::tick))
        .containsExactly("100 %", "20 %", "2.5 %");
    assertThat(Stream.of(512.0, 1024.0, 5000.0, 131072.0, 1048576.0).map(Unit.TOKENS::format))
        .containsExactly("512", "1K", "5,000", "128K", "1M");
    assertThat(Unit.COUNT.format(1234567)).isEqualTo("1,234,567");
    for (Unit unit : Unit.values()) {
      assertThat(unit.format(Double.NaN)).isEqualTo("–");
      assertThat(unit.format(Double.NEGATIVE_INFINITY)).isEqualTo("−∞");
    }
  }

  @Test
  void rampsGrowLighterEvenly() {
    double before = -1;
    for (double share = 0; share <= 1; share += 0.05) {
      int colour = Integer.parseInt(Ramp.colour(share).substring(1), 16);
      double light =
          0.2126 * (colour >> 16) + 0.7152 * (colour >> 8 & 0xff) + 0.0722 * (colour & 0xff);
      assertThat(light).isGreaterThan(before);
      before = light;
    }
    assertThat(Ramp.colour(-1)).isEqualTo(Ramp.colour(0));
    assertThat(Ramp.colour(2)).isEqualTo(Ramp.colour(1)).isEqualTo("#ffea46");
  }

  @Test
  void wrongShapesAreRefused() {
    assertThatThrownBy(() -> new Table("t", List.of("a", "b"), List.of(List.of("1"))))
        .hasMessage("Cannot make the table 't': a row has 1 cells, the head 2");
    assertThatThrownBy(() -> heatMap("m", List.of(List.of(1.0, 2.0))))
        .hasMessage("Cannot draw 'm': 1 rows of values, 2 names");
    assertThatThrownBy(() -> heatMap("m", List.of(List.of(1.0, 2.0), List.of(1.0))))
        .hasMessage("Cannot draw 'm': a row has 1 values, the columns 2 names");
  }

  private static HeatMap heatMap(String title, List<List<Double>> values) {
    return new HeatMap(
        title,
        "tokens",
        List.of("1K", "2K"),
        "depth",
        List.of("0 %", "50 %"),
        values,
        Unit.SHARE,
        0,
        1);
  }

  private static LineChart lines(String title, List<Point> points) {
    return new LineChart(
        title,
        Axis.logarithmic("tokens", Unit.TOKENS),
        Axis.share("hits"),
        List.of(new Series("dense", points)));
  }

  private static List<String> cells(Document page, String... tags) {
    List<String> texts = new ArrayList<>();
    for (String tag : tags) {
      NodeList found = page.getElementsByTagName(tag);
      for (int i = 0; i < found.getLength(); i++) {
        texts.add(found.item(i).getTextContent());
      }
    }
    return texts;
  }

  private static Document page(Part part) throws Exception {
    return read(
        new Page("Evaluation", "of a model", List.of(new Section("One", "", List.of(part)))));
  }

  private static Document read(Page page) throws Exception {
    DocumentBuilder parser = DocumentBuilderFactory.newInstance().newDocumentBuilder();
    parser.setErrorHandler(null);
    return parser.parse(new InputSource(new StringReader(page.html())));
  }
}
