package io.sparsefill.job.notebook;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparsefill.job.read.KvReader;
import io.sparsefill.job.read.LayerCache;
import io.sparsefill.udf.KvNumbers;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code cache_drift.scala} from top to bottom, with the bundled model. */
class ScalaNotebookTest {
  private static final int SQUARE = 6;
  private static final int FUTURE = 0xeeeeee;
  private static final int COMPUTED = 0x000080;

  @TempDir Path folder;

  @Test
  void runsAndDrawsTheTilesOfAShape() throws Exception {
    String classPath =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    ProcessBuilder java =
        new ProcessBuilder(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "@" + Notebooks.ROOT.resolve("job/bin/jvm-options"),
                "-Xmx1g",
                "-Djava.awt.headless=true",
                "-Dsparsefill.root=" + Notebooks.ROOT,
                "-Dspark.notebook.home=" + Notebooks.ROOT,
                "-Dspark.notebook.work=" + folder,
                "-cp",
                classPath,
                ScalaCells.class.getName(),
                NotebookFile.FOLDER.resolve("cache_drift.scala").toString(),
                folder.resolve("classes").toString()));
    Ended ended = Ended.of(java, folder.resolve("log.txt"), 5);
    assertThat(ended.code()).as(ended.text()).isZero();

    List<List<String>> drifts = table(ended.text(), "mode", "density", "layer", "keys", "values");
    assertThat(drifts).as("three sparse modes, four layers").hasSize(12);
    for (List<String> row : drifts) {
      double keys = Double.parseDouble(row.get(3));
      double values = Double.parseDouble(row.get(4));
      if (row.get(2).equals("0")) {
        assertThat(keys).as("%s: before any attention", row).isZero();
        assertThat(values).isZero();
      } else {
        assertThat(keys).as("%s", row).isBetween(1e-4, 1.0);
        assertThat(values).as("%s", row).isBetween(1e-4, 1.0);
      }
    }
    assertThat(lastLayer(drifts, "vertical-slash:30:100"))
        .as("fewer lines, more drift")
        .isGreaterThan(lastLayer(drifts, "vertical-slash:100:800"));
    for (int layer = 0; layer < 4; layer++) {
      assertDrift(drifts, "vertical-slash:30:100", layer);
    }

    BufferedImage picture = ImageIO.read(folder.resolve("cache_drift.png").toFile());
    Matcher tokens = Pattern.compile("a-shape:64:256 over (\\d+) tokens").matcher(ended.text());
    assertThat(tokens.find()).as(ended.text()).isTrue();
    int tiles = (Integer.parseInt(tokens.group(1)) + 63) / 64;
    assertThat(tiles).isGreaterThan(20);
    assertThat(picture.getWidth()).isEqualTo(tiles * SQUARE);
    assertThat(picture.getHeight()).isEqualTo(tiles * SQUARE);
    for (int y = 0; y < picture.getHeight(); y++) {
      for (int x = 0; x < picture.getWidth(); x++) {
        int expected = pixel(y / SQUARE, x / SQUARE);
        assertThat(picture.getRGB(x, y) & 0xffffff).as("%d, %d", x, y).isEqualTo(expected);
      }
    }
  }

  /** Oracle: the same sums over what {@link KvReader} reads of the notebook's runs. */
  private void assertDrift(List<List<String>> drifts, String mode, int layer) throws Exception {
    double[] difference = new double[2];
    double[] size = new double[2];
    KvReader dense = KvReader.open(folder.resolve("cache_drift/dense").toString());
    KvReader sparse =
        KvReader.open(folder.resolve("cache_drift/" + mode.replace(':', '-')).toString());
    for (String docId : dense.documents()) {
      LayerCache exact = dense.document(docId).layer(layer);
      LayerCache found = sparse.document(docId).layer(layer);
      byte[][] expected = {exact.key(), exact.value()};
      byte[][] cells = {found.key(), found.value()};
      for (int side = 0; side < 2; side++) {
        KvNumbers wanted = KvNumbers.of(exact.dtype(), expected[side], null);
        KvNumbers numbers = KvNumbers.of(found.dtype(), cells[side], null);
        for (int i = 0; i < wanted.count(); i++) {
          difference[side] += Math.pow(numbers.at(i) - (double) wanted.at(i), 2);
          size[side] += Math.pow(wanted.at(i), 2);
        }
      }
    }
    List<String> row =
        drifts.stream()
            .filter(told -> told.get(0).equals(mode) && told.get(2).equals("" + layer))
            .findFirst()
            .orElseThrow();
    for (int side = 0; side < 2; side++) {
      assertThat(Double.parseDouble(row.get(3 + side)))
          .as("%s, rounded to four places", row)
          .isCloseTo(Math.sqrt(difference[side] / size[side]), within(0.5001e-4));
    }
  }

  /** A-shape 64:256 by its definition: the first tile, and distances below 256 in whole tiles. */
  private static int pixel(int query, int key) {
    if (key > query) {
      return FUTURE;
    }
    return key == 0 || key >= Math.max(0, query * 64 - 255) / 64 ? COMPUTED : 0xffffff;
  }

  private static double lastLayer(List<List<String>> drifts, String mode) {
    return drifts.stream()
        .filter(row -> row.get(0).equals(mode) && row.get(2).equals("3"))
        .mapToDouble(row -> Double.parseDouble(row.get(3)))
        .findFirst()
        .orElseThrow();
  }

  /** Rows of a table that Spark's show printed. */
  private static List<List<String>> table(String text, String... columns) {
    String head = "\\|" + String.join(" *\\|", columns) + " *\\|\n\\+[-+]+\\+\n";
    Matcher found = Pattern.compile(head + "((?:\\|.*\\|\n)*)").matcher(text);
    assertThat(found.find()).as("%s in %s", head, text).isTrue();
    return found
        .group(1)
        .lines()
        .map(line -> List.of(line.substring(1, line.length() - 1).split("\\|")))
        .map(row -> row.stream().map(String::strip).toList())
        .toList();
  }
}
