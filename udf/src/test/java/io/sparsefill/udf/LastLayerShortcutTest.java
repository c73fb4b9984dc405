package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparsefill.kernels.attention.PatternTable;
import io.sparsefill.udf.model.ModelConfig;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What the last layer leaves out must not show. The oracle is the full pass: the same document with
 * the log-likelihood of every token asked for, which needs all rows of the last layer.
 *
 * <p>Both choose the same tiles. They may differ in the last bits of fp32 only, because the rows go
 * through the matrix products in other chunks and, in the last layer, without the queries' columns;
 * OpenBLAS picks its kernel by the shape.
 */
class LastLayerShortcutTest {
  private static final double TOLERANCE = 1e-5;
  private static final int[] LENGTHS = {1, 63, 64, 65, 127, 200, 1000};
  private static final int[] LAST_POSITIONS = {1, 3, 64, 65, 200, 1001};

  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "dense",
        "minference 100 800",
        "minference 30 50",
        "vertical-slash:30:50",
        "a-shape:64:128",
        "block-sparse:4"
      })
  void trainedModelGivesWhatTheFullPassGives(String attention) throws Exception {
    compare(SharedMaterial.model("needle-2m"), attention);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "dense",
        "minference 30 50",
        "a-shape:64:128",
        "block-sparse:4",
        "tri-shape:64:128:70",
        "strided:64:128:300",
        "vertical-only:40",
        "slash-only:120",
        "top-k:40",
        "inf-llm:64:128:1"
      })
  void randomModelGivesWhatTheFullPassGives(String attention) throws Exception {
    compare(new TinyModel(3, 300).write(folder), attention);
  }

  private static void compare(Path model, String attention) throws Exception {
    // Held open, so that the engines of each comparison need not load the model again.
    try (Engine withHead = Engine.open(options(model, attention).build());
        Engine without = Engine.open(options(model, attention).emit(Emit.KV).build())) {
      assertThat(withHead.config()).isEqualTo(without.config());
      for (int length : LENGTHS) {
        compare(model, attention, withHead.config(), length);
      }
    }
  }

  private static void compare(Path model, String attention, ModelConfig config, int length)
      throws Exception {
    int[] tokens = new Random(length).ints(length, 3, config.vocab()).toArray();
    KvCollector fullKv = new KvCollector();
    PrefillResult full = options(model, attention).lastPositions(length).prefill(tokens, fullKv);

    KvCollector kv = new KvCollector();
    options(model, attention).emit(Emit.KV).prefill(tokens, kv);
    for (int l = 0; l < config.layers(); l++) {
      for (boolean keys : new boolean[] {true, false}) {
        assertThat(
                Distance.relative(
                    kv.layer(l, keys, config, length), fullKv.layer(l, keys, config, length)))
            .as("%d tokens, layer %d, kv only", length, l)
            .isLessThan(TOLERANCE);
      }
    }

    PrefillResult hidden = options(model, attention).emit(Emit.HIDDEN).prefill(tokens, null);
    assertThat(Distance.relative(hidden.lastHidden(), full.lastHidden()))
        .as("%d tokens, hidden only", length)
        .isLessThan(TOLERANCE);

    for (int positions : LAST_POSITIONS) {
      PrefillResult last =
          options(model, attention)
              .emit(Emit.LOGITS)
              .lastPositions(positions)
              .prefill(tokens, null);
      int rows = Math.min(positions, length);
      assertThat(last.lastLogits()).hasNumberOfRows(rows);
      for (int r = 0; r < rows; r++) {
        assertThat(Distance.relative(last.lastLogits()[r], full.lastLogits()[length - rows + r]))
            .as("%d tokens, logits of the last %d, row %d", length, positions, r)
            .isLessThan(TOLERANCE);
      }
    }
  }

  /** "minference V S" is vertical-slash V/S on every head, dense where that is not dearer. */
  private static TestOptions options(Path model, String attention) {
    TestOptions options = TestOptions.of(model);
    if (!attention.startsWith("minference")) {
      return options.attention(attention);
    }
    String[] words = attention.split(" ", -1);
    ModelConfig config = ModelConfig.read(model);
    PatternTable.Entry entry =
        new PatternTable.Entry(
            "vertical_and_slash", Integer.parseInt(words[1]), Integer.parseInt(words[2]), 1);
    return options
        .attention("minference")
        .patterns(PatternTable.uniform(entry, config.layers(), config.heads()).toJson());
  }

  /** Oracle: tiles counted by hand for 16 query tiles; 136 are causal. */
  @Test
  void densityCountsTheTilesOfTheLayersThatRan() throws Exception {
    Path model = new TinyModel(3, 300).write(folder);
    int[] tokens = new TinyModel(3, 300).tokens(1000);
    // Every query tile sees its own, the two before (128 distances), and the first: 1 + 2 + 3 + 13
    // * 4.
    double sparse = 58.0 / 136;
    // The last query tile alone: 4 of its 16.
    double lastTile = (2 * 58.0 + 4) / (2 * 136 + 16);
    List<Double> densities = new ArrayList<>();
    for (String attention : List.of("a-shape:64:128", "block-sparse:4")) {
      TestOptions options = TestOptions.of(model).attention(attention);
      PrefillResult all = options.emit(Emit.NLL).prefill(tokens, null);
      assertThat(all.attention()).isEqualTo(attention + ": 12 of 12 heads sparse");
      assertThat(all.density()).isCloseTo(sparse, within(1e-12));
      PrefillResult kv = options.emit(Emit.KV).prefill(tokens, block -> {});
      assertThat(kv.attention()).isEqualTo(attention + ": 8 of 8 heads sparse");
      assertThat(kv.density()).isCloseTo(sparse, within(1e-12));
      densities.add(options.emit(Emit.LOGITS).prefill(tokens, null).density());
    }
    assertThat(densities).allSatisfy(d -> assertThat(d).isCloseTo(lastTile, within(1e-12)));
    PrefillResult dense = TestOptions.of(model).emit(Emit.NLL).prefill(tokens, null);
    assertThat(dense.density()).isEqualTo(1);
    assertThat(dense.attention()).isEqualTo("dense: 0 of 12 heads sparse");
  }

  /** Keys and values of a single layer need no attention at all. */
  @Test
  void kvOfOneLayerRunsNoAttention() throws Exception {
    Path model = Files.createDirectory(folder.resolve("one"));
    TinyModel tiny = new TinyModel(1, 300);
    PrefillResult result =
        TestOptions.of(tiny.write(model)).emit(Emit.KV).prefill(tiny.tokens(100), block -> {});
    assertThat(result.attention()).isEqualTo("dense: 0 of 0 heads sparse");
    assertThat(result.density()).isEqualTo(1);
    assertThat(result.lastLogits()).isNull();
    assertThat(result.tokenNll()).isNull();
    assertThat(result.lastHidden()).isNull();
  }
}
