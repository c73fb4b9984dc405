package io.sparsefill.job.notebook;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparsefill.job.run.UsageException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the view says of a document, with the bundled model (4 layers of 4 heads). */
class SparsityViewTest {
  @TempDir Path folder;
  private final Map<String, String> options = new HashMap<>();

  @BeforeEach
  void document() throws Exception {
    Notebooks.spark(); // a notebook has one
    Path input = folder.resolve("docs");
    Files.createDirectories(input);
    StringBuilder text = new StringBuilder("It began.");
    for (int i = 0; i < 150; i++) {
      text.append(" In the year ").append(1700 + i * 7 % 300).append(" the captain sailed home.\n");
    }
    Files.writeString(input.resolve("log.txt"), text);
    Files.writeString(input.resolve("other.txt"), "Not looked at.");
    options.put("model", Notebooks.MODEL.toString());
    options.put("input", input.toString());
    options.put("backend", "cpu");
  }

  private SparsityView view(String attention, String... pictured) throws Exception {
    options.put("attention", attention);
    return SparsityView.of(Notebooks.spark(), options, "log.txt", List.of(pictured));
  }

  /**
   * A-shape's tiles do not depend on the document, so a run computes the same; and they are counted
   * by their definition: the first tile, and tiles of distances below 256 from the tile's first
   * query.
   */
  @Test
  void aShapeIsWhatItsDefinitionAndARunSay() throws Exception {
    SparsityView view = view("a-shape:64:256", "0:0", "3:1");
    Path output = folder.resolve("out");
    Sparsefill.run(
            "run",
            "--model",
            options.get("model"),
            "--input",
            options.get("input"),
            "--output",
            output.toString(),
            "--backend",
            "cpu",
            "--emit",
            "nll",
            "--attention",
            "a-shape:64:256")
        .orThrow();
    double density =
        Notebooks.spark()
            .read()
            .parquet(output + "/documents")
            .where("doc_id = 'log.txt'")
            .first()
            .<Double>getAs("density");
    int tiles = (view.tokens() + 63) / 64;
    assertThat(tiles).isBetween(30, 100);

    List<Row> heads = view.heads().orderBy("layer", "head").collectAsList();
    assertThat(heads).hasSize(16);
    long counted = 0;
    for (int m = 0; m < tiles; m++) {
      for (int n = 0; n <= m; n++) {
        counted += inAShape(m, n) ? 1 : 0;
      }
    }
    for (Row head : heads) {
      assertThat(head.<Long>getAs("tiles")).isEqualTo(counted);
      assertThat(head.<Long>getAs("causal_tiles")).isEqualTo(tiles * (tiles + 1L) / 2);
      assertThat(head.<Double>getAs("density")).isCloseTo(density, within(1e-9));
      assertThat(head.<String>getAs("pattern")).isEqualTo("a-shape:64:256");
      assertThat(head.<Double>getAs("error")).isBetween(1e-6, 1.0);
      assertThat(head.<Double>getAs("recall")).isBetween(0.1, 1.0);
    }
    List<Row> cells = view.pictures().collectAsList();
    assertThat(cells).hasSize((int) (2 * counted));
    for (Row cell : cells) {
      assertThat(cell.<Integer>getAs("cell_tokens")).isEqualTo(64);
      assertThat(cell.<Float>getAs("share")).isEqualTo(1f);
      assertThat(inAShape(cell.<Integer>getAs("query") / 64, cell.<Integer>getAs("key") / 64))
          .as("%s", cell)
          .isTrue();
    }
    Dataset<Row> pictured = view.pictures().select("layer", "head").distinct();
    assertThat(pictured.collectAsList())
        .extracting(row -> row.getInt(0) + ":" + row.getInt(1))
        .containsExactlyInAnyOrder("0:0", "3:1");
  }

  private static boolean inAShape(int queryTile, int keyTile) {
    return keyTile == 0 || keyTile >= Math.max(0, queryTile * 64 - 255) / 64;
  }

  /** Dense attention is its own oracle: no error, all tiles. */
  @Test
  void denseIsAllOfItWithoutError() throws Exception {
    SparsityView view = view("dense", "1:2");
    assertThat(view.heads().where("density <> 1 or error <> 0 or last_error <> 0").count())
        .isZero();
    long tiles = (view.tokens() + 63) / 64;
    assertThat(view.pictures().where("share = 1").count()).isEqualTo(tiles * (tiles + 1) / 2);
  }

  @Test
  void aFileOfPatternsIsSpelledHeadByHead() throws Exception {
    options.put("patterns", Notebooks.ROOT.resolve("conf/patterns/needle-2m.json").toString());
    SparsityView view = view("minference");
    assertThat(view.heads().where("pattern = 'vertical-slash:100:800'").count()).isEqualTo(16);
    assertThat(view.pictures().count()).isZero();
  }

  @Test
  void whatCannotBeLookedAtIsSaid() {
    assertThatThrownBy(() -> view("dense", "4:0"))
        .isInstanceOf(UsageException.class)
        .hasMessage(
            "Cannot picture head '4:0': it is LAYER:HEAD, and the model has layers 0 to 3 with heads 0 to 3");
    assertThatThrownBy(() -> view("dense", "first")).hasMessageContaining("head 'first'");
    assertThatThrownBy(() -> SparsityView.of(Notebooks.spark(), options, "log", List.of()))
        .isInstanceOf(UsageException.class)
        .hasMessageContaining("Cannot look at document 'log'")
        .hasMessageContaining("docs holds none of that name");
    assertThatThrownBy(() -> view("static:10:10")).hasMessageContaining("static:10:10");
    options.put("max-tokens", "10");
    assertThatThrownBy(() -> view("dense")).hasMessageContaining("more than --max-tokens 10");
    options.put("colour", "blue");
    assertThatThrownBy(() -> view("dense"))
        .hasMessageContaining("Cannot use option 'colour'")
        .hasMessageContaining("model, input, format");
  }
}
