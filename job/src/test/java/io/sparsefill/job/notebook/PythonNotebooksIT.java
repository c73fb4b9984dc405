package io.sparsefill.job.notebook;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sparsefill.job.read.KvReader;
import io.sparsefill.job.read.StoredCache;
import io.sparsefill.udf.KvNumbers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The Python notebooks from top to bottom through spark-submit, with the packaged jar and the
 * bundled model, wherever {@code python3} (or {@code -Dsparsefill.python}) can import PySpark and
 * what a notebook needs; they say when they skip. What the notebooks draw is looked at as pictures.
 */
class PythonNotebooksIT {
  private static final String PYTHON = System.getProperty("sparsefill.python", "python3");

  private static final int BLUE = 0x1f5fa8;
  private static final int RED = 0xb5431f;

  @TempDir Path folder;

  private String run(String notebook, String... modules) throws Exception {
    String submit = submitter(modules);
    ProcessBuilder process =
        new ProcessBuilder(
            submit,
            "--master",
            "local[2]",
            "--driver-memory",
            "1g",
            "--conf",
            "spark.ui.enabled=false",
            "--conf",
            "spark.log.level=WARN",
            "--conf",
            "spark.sql.shuffle.partitions=2",
            "--jars",
            System.getProperty("sparsefill.shadedJar"),
            NotebookFile.FOLDER.resolve(notebook).toString());
    process.directory(folder.toFile());
    process.environment().put("PYSPARK_PYTHON", PYTHON);
    process.environment().put("PYSPARK_DRIVER_PYTHON", PYTHON);
    process.environment().put("MPLBACKEND", "Agg");
    process.environment().put("SPARSEFILL_HOME", Notebooks.ROOT.toString());
    process.environment().put("SPARSEFILL_WORK", folder.resolve("work").toString());
    Ended ended = Ended.of(process, folder.resolve("log.txt"), 10);
    assertThat(ended.code()).as(ended.text()).isZero();
    return ended.text();
  }

  /** PySpark's spark-submit; skips where a module cannot be imported. */
  private String submitter(String... modules) throws Exception {
    String probe =
        "import os, pyspark, matplotlib, numpy"
            + (modules.length == 0 ? "" : ", " + String.join(", ", modules))
            + "; home = os.environ.get('SPARK_HOME') or os.path.dirname(pyspark.__file__)"
            + "; print('at ' + os.path.join(home, 'bin', 'spark-submit'))";
    Ended ended;
    try {
      ended = Ended.of(new ProcessBuilder(PYTHON, "-c", probe), folder.resolve("probe.txt"), 2);
    } catch (IOException e) {
      ended = new Ended(1, e.getMessage());
    }
    String last = ended.text().strip().lines().reduce("", (before, line) -> line);
    orSkip(
        ended.code() == 0,
        PYTHON + " says " + last + "; pip install pyspark matplotlib, or -Dsparsefill.python=...");
    String submit = last.substring("at ".length());
    orSkip(Files.exists(Path.of(submit)), "there is no " + submit);
    return submit;
  }

  /** Prints the reason too, which Failsafe does not. */
  private static void orSkip(boolean found, String reason) {
    if (!found) {
      System.out.println("skipped: a Python notebook: " + reason);
    }
    assumeTrue(found, reason);
  }

  private Picture picture(String name) throws Exception {
    return Picture.read(folder.resolve("work").resolve(name + ".png"));
  }

  private static int number(String text, String pattern) {
    Matcher found = Pattern.compile(pattern).matcher(text);
    assertThat(found.find()).as("%s in %s", pattern, text).isTrue();
    return Integer.parseInt(found.group(1));
  }

  @Test
  void prefillCorpusReadsItsDocuments() throws Exception {
    String text = run("prefill_corpus.py");

    assertThat(number(text, "(\\d) of 8 answers are right")).isGreaterThanOrEqualTo(7);
    assertThat(text).contains("Nothing to do: the input has 8 documents");
    assertThat(number(text, "keys of layer 0: \\((\\d+), 2, 64\\)")).isBetween(7_000, 8_192);
    assertNorms(text);
    Picture picture = picture("prefill_corpus");
    assertThat(picture.width()).isEqualTo(1210);
    int[] density = picture.frame(BLUE, 0);
    int[] bytes = picture.frame(RED, 0);
    assertThat(density[2]).as("density is left of the sizes").isLessThan(bytes[0]);
    assertThat(density[2] - density[0]).as("a line across its half").isGreaterThan(400);
    assertThat(bytes[2] - bytes[0]).isGreaterThan(400);
    // The first document is dense, at the top; the last one is sparse.
    assertThat(density[1]).isLessThan(picture.height() / 4);
    assertThat(density[3] - density[1]).isGreaterThan(picture.height() / 5);
  }

  /** Oracle: what {@link KvReader} reads of the notebook's run. */
  private void assertNorms(String text) throws Exception {
    Matcher told = Pattern.compile("first token's: \\[ *([0-9.]+) +([0-9.]+) *]").matcher(text);
    assertThat(told.find()).as(text).isTrue();
    StoredCache cache =
        KvReader.open(folder.resolve("work/prefill_corpus").toString()).document("object-7");
    KvNumbers keys = KvNumbers.keys(cache.block(0, 0));
    for (int head = 0; head < 2; head++) {
      double square = 0;
      for (int d = 0; d < 64; d++) {
        square += Math.pow(keys.at(head * 64 + d), 2);
      }
      assertThat(Double.parseDouble(told.group(1 + head)))
          .as("norm of head %d", head)
          .isCloseTo(Math.sqrt(square), withinPercentage(0.001));
    }
  }

  @Test
  void sparsityDrawsHeadsLayersAndTiles() throws Exception {
    String text = run("sparsity.py");

    assertThat(number(text, "tokens, (\\d+) heads")).isEqualTo(16);
    assertThat(text).contains("layer 3 head 3: ");
    Picture heads = picture("sparsity_heads");
    double filled = 0;
    for (int colour : new int[] {0x4c78a8, 0xf2a541, 0x59a14f, 0xb07aa1}) {
      filled += heads.share(colour);
    }
    assertThat(filled).as("cells of all heads").isBetween(0.5, 0.9);
    Picture layers = picture("sparsity_layers");
    assertThat(layers.share(0x333333)).as("points of heads").isBetween(0.0005, 0.05);
    for (double share : thirds(layers)) {
      assertThat(share).as("bars and frame in each panel").isBetween(0.1, 0.8);
    }
    aTriangleOfTiles(picture("sparsity_tiles"));
  }

  /** Share of what is not white in each third of the width. */
  private static double[] thirds(Picture picture) {
    double[] inked = new double[3];
    int third = picture.width() / 3;
    for (int y = 0; y < picture.height(); y++) {
      for (int x = 0; x < 3 * third; x++) {
        inked[x / third] += picture.is(x, y, 0xffffff) ? 0 : 1.0 / third / picture.height();
      }
    }
    return inked;
  }

  /** The future is one grey triangle, the diagonal is computed, and so is only part of the past. */
  private static void aTriangleOfTiles(Picture picture) {
    int grey = 0xeeeeee;
    int[] frame = picture.frame(grey, 2);
    int side = frame[2] - frame[0];
    assertThat(side).isGreaterThan(500);
    int dark = 0;
    int past = 0;
    for (int row = 5; row < 95; row++) {
      int y = frame[1] + side * row / 100;
      boolean diagonal = false;
      for (int x = frame[0] + side * (row - 4) / 100; x < frame[0] + side * (row + 4) / 100; x++) {
        diagonal |= picture.is(x, y, 0x08306b);
      }
      assertThat(diagonal).as("the diagonal at %d", row).isTrue();
      for (int column = 1; column < 99; column++) {
        int x = frame[0] + side * column / 100;
        if (column > row + 4) {
          assertThat(picture.is(x, y, grey)).as("future at %d, %d", row, column).isTrue();
        } else if (column < row - 4) {
          assertThat(picture.is(x, y, grey)).as("past at %d, %d", row, column).isFalse();
          past++;
          dark += picture.is(x, y, 0x08306b) ? 1 : 0;
        }
      }
    }
    assertThat((double) dark / past).as("wholly computed share of the past").isLessThan(0.5);
  }

  @Test
  void compareModesMeasuresAndDrawsEveryMode() throws Exception {
    String text = run("compare_modes.py");

    assertThat(text).contains("no document failed");
    double best = agreement(text, "minference");
    assertThat(best).isGreaterThan(90);
    assertThat(agreement(text, "a-shape:128:512")).as("a window forgets").isLessThan(best);
    agreement(text, "vertical-slash:30:100");
    agreement(text, "block-sparse:8");
    Picture picture = picture("compare_modes");
    for (int colour : new int[] {BLUE, RED, 0x59a14f, 0xb07aa1}) {
      int[] frame = picture.frame(colour, 0);
      assertThat(frame[0]).as("points left").isLessThan(picture.width() / 2);
      assertThat(frame[2]).as("lines right").isGreaterThan(picture.width() * 9 / 10);
    }
  }

  /** Percent of positions with the same likeliest token, of a mode's line. */
  private static double agreement(String text, String mode) {
    Matcher line = Pattern.compile(Pattern.quote(mode) + " +4 +([0-9.]+)%").matcher(text);
    assertThat(line.find()).as("%s in %s", mode, text).isTrue();
    return Double.parseDouble(line.group(1));
  }

  @Test
  void reuseCacheAnswersFromWhatWasExported() throws Exception {
    String text = run("reuse_cache.py", "torch", "transformers", "safetensors");

    assertThat(text).contains("bytes  export.json", "bytes  object-0.safetensors");
    assertThat(number(text, "(\\d) of 6 answers are right")).isGreaterThanOrEqualTo(5);
    Picture picture = picture("reuse_cache");
    for (int colour : new int[] {BLUE, RED}) {
      int[] bars = picture.frame(colour, 1);
      assertThat(bars[2] - bars[0]).as("a bar for each document").isGreaterThan(200);
    }
  }
}
