package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.AttentionCost;
import io.sparsefill.kernels.AttentionIndex;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.TileKeys;
import io.sparsefill.kernels.attention.AttentionPlan;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Static attention: which document's lines a pre-fill takes. */
class KeptLinesTest {
  private static final AttentionPlan STATIC = AttentionPlan.parse("static:40:120", null, 2, 1);

  @TempDir Path folder;

  /** An index that knows its lines, as a backend's does. */
  private record Chosen(int... columns) implements AttentionIndex {
    @Override
    public AttentionCost cost() {
      throw new AssertionError("nobody asks for it");
    }

    @Override
    public long[] headTiles() {
      throw new AssertionError("nobody asks for them");
    }

    @Override
    public TileKeys keys(int head, int tile) {
      throw new AssertionError("nobody asks for them");
    }

    @Override
    public List<HeadPattern.GivenLines> lines() {
      return List.of(new HeadPattern.GivenLines(columns, new int[] {500, 3, 0}));
    }

    @Override
    public void close() {}
  }

  private static HeadPattern.GivenLines only(List<HeadPattern> patterns) {
    assertThat(patterns).hasSize(1);
    return (HeadPattern.GivenLines) patterns.get(0);
  }

  @Test
  void theFirstDocumentChoosesAndLaterOnesTakeWhatLiesWithinThem() {
    KeptLines lines = new KeptLines(STATIC);
    KeptLines.Document first = lines.begin(1000);
    for (int l = 0; l < 2; l++) {
      assertThat(first.patterns(l, STATIC.layer(l))).isEqualTo(STATIC.layer(l));
      first.indexed(l, new Chosen(l, 99, 700));
    }
    assertThat(first.end()).isEmpty();

    KeptLines.Document shorter = lines.begin(100);
    assertThat(only(shorter.patterns(1, STATIC.layer(1))).verticals()).containsExactly(1, 99);
    assertThat(only(shorter.patterns(1, STATIC.layer(1))).distances()).containsExactly(3, 0);
    shorter.indexed(0, new Chosen(5));
    assertThat(shorter.end()).isEqualTo(", lines of an earlier document of 1,000 tokens");

    KeptLines.Document longer = lines.begin(5000);
    assertThat(only(longer.patterns(0, STATIC.layer(0))).verticals()).containsExactly(0, 99, 700);
    assertThat(only(longer.patterns(0, STATIC.layer(0))).distances()).containsExactly(500, 3, 0);
    assertThat(only(lines.begin(1).patterns(0, STATIC.layer(0))).distances()).containsExactly(0);
  }

  @Test
  void aDocumentThatDoesNotEndLeavesNothing() {
    KeptLines lines = new KeptLines(STATIC);
    lines.begin(1000).indexed(0, new Chosen(3));
    assertThat(lines.begin(10).patterns(0, STATIC.layer(0))).isEqualTo(STATIC.layer(0));
  }

  @Test
  void otherModesKeepNothing() {
    AttentionPlan plan = AttentionPlan.parse("a-shape:64:64", null, 1, 1);
    KeptLines.Document document = new KeptLines(plan).begin(100);
    document.indexed(0, null); // it is not asked for its lines, of which an A-shape has none
    assertThat(document.end()).isEmpty();
  }

  /**
   * Oracle: vertical-slash of the same sizes. The first document ends before the last attention.
   */
  @Test
  void aLayerThatTheFirstDocumentDidNotNeedChoosesOnTheFirstThatDoes() throws Exception {
    TinyModel tiny = new TinyModel(3, 300);
    TestOptions options = TestOptions.of(tiny.write(folder)).emit(Emit.KV, Emit.ANSWER);
    int[] document = tiny.tokens(600);
    int[] question = tiny.tokens(7);
    float[][] expected;
    try (Engine engine = Engine.open(options.attention("vertical-slash:40:120").build());
        KeptCache cache = engine.prefillKeeping(document, block -> {}, 7)) {
      expected = cache.extend(question, 1);
    }
    try (Engine engine = Engine.open(options.attention("static:40:120").build())) {
      assertThat(engine.prefill(document, block -> {}).attention()).endsWith("8 of 8 heads sparse");
      try (KeptCache cache = engine.prefillKeeping(document, block -> {}, 7)) {
        assertThat(cache.prefill().attention()).startsWith("static:40:120: 12 of 12 heads sparse");
        assertThat(cache.extend(question, 1)).isDeepEqualTo(expected);
      }
    }
  }

  /** Oracle: vertical-slash of the same sizes, and the same document once more. */
  @Test
  void anEngineTakesTheLinesOfTheFirstDocumentThatItFinishes() throws Exception {
    TinyModel tiny = new TinyModel(3, 300);
    TestOptions options = TestOptions.of(tiny.write(folder)).emit(Emit.NLL, Emit.KV);
    int[] first = tiny.tokens(600);
    int[] second = Arrays.copyOfRange(tiny.tokens(1500), 600, 1500);
    PrefillResult own = options.attention("vertical-slash:40:120").prefill(first, block -> {});
    PrefillResult ownSecond =
        options.attention("vertical-slash:40:120").prefill(second, block -> {});

    try (Engine engine = Engine.open(options.attention("static:40:120").build())) {
      assertThatThrownBy(
              () ->
                  engine.prefill(
                      second,
                      block -> {
                        throw new IOException("the disk is full");
                      }))
          .hasStackTraceContaining("the disk is full");
      PrefillResult chosen = engine.prefill(first, block -> {});
      assertThat(chosen.attention()).isEqualTo("static:40:120: 12 of 12 heads sparse");
      assertThat(chosen.tokenNll()).isEqualTo(own.tokenNll());
      assertThat(chosen.density()).isEqualTo(own.density());

      PrefillResult other = engine.prefill(second, block -> {});
      assertThat(other.attention())
          .isEqualTo(
              "static:40:120: 12 of 12 heads sparse, lines of an earlier document of 600 tokens");
      assertThat(other.tokenNll()).isNotEqualTo(ownSecond.tokenNll());

      try (KeptCache cache = engine.prefillKeeping(second, block -> {}, 1)) {
        assertThat(cache.prefill().attention()).isEqualTo(other.attention());
        assertThat(cache.prefill().tokenNll()).isEqualTo(other.tokenNll());
      }
      PrefillResult again = engine.prefill(first, block -> {});
      assertThat(again.tokenNll()).isEqualTo(own.tokenNll());
      assertThat(again.density()).isEqualTo(own.density());
    }
  }
}
