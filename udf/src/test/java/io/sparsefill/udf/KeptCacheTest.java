package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.MemoryPlan;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Chunks that follow a kept cache: what they see, what they cost, and what is refused. */
class KeptCacheTest {
  private static final TinyModel TINY = new TinyModel(3, 300);
  private static final int[] TOKENS = TINY.tokens(700);
  private static final double SAME = 1e-5;

  @TempDir Path folder;

  private Path model;

  @BeforeEach
  void write() {
    model = TINY.write(folder);
  }

  private TestOptions logits() {
    return TestOptions.of(model).emit(Emit.LOGITS);
  }

  private static int[] part(int from, int to) {
    return Arrays.copyOfRange(TOKENS, from, to);
  }

  /** Oracle: the logits of all these positions from one dense pre-fill. */
  @Test
  void everyPositionOfAChunkHasItsLogits() throws Exception {
    float[][] whole = logits().lastPositions(80).prefill(TOKENS, null).lastLogits();
    try (Engine engine = Engine.open(logits().build());
        KeptCache cache = engine.prefillKeeping(part(0, 620), null, 80)) {
      float[][] chunk = cache.extend(part(620, 700), 80);
      assertThat(chunk).hasNumberOfRows(80);
      for (int i = 0; i < 80; i++) {
        assertThat(Distance.relative(chunk[i], whole[i])).as("position %d", i).isLessThan(SAME);
      }
      cache.rewind(620);
      assertThat(cache.extend(part(620, 700), 1000)).isDeepEqualTo(chunk);
      cache.rewind(620);
      float[][] last = cache.extend(part(620, 700), 3);
      assertThat(last).hasNumberOfRows(3);
      for (int i = 0; i < 3; i++) {
        assertThat(Distance.relative(last[i], chunk[77 + i])).as("of 3, %d", i).isLessThan(SAME);
      }
    }
  }

  /** Oracle: the logits of all positions from another pre-fill. */
  @Test
  void positionsOfTheDocumentHaveTheirLogits() throws Exception {
    int[] document = part(0, 200);
    float[][] all = logits().lastPositions(200).prefill(document, null).lastLogits();
    try (Engine engine = Engine.open(TestOptions.of(model).emit(Emit.TOKEN_NLL).build());
        KeptCache cache = engine.prefillKeeping(document, null, 1)) {
      int[] positions = {199, 0, 63, 64};
      float[][] some = cache.documentLogits(positions);
      for (int i = 0; i < positions.length; i++) {
        assertThat(Distance.relative(some[i], all[positions[i]])).isLessThan(SAME);
      }
      assertThatIllegalArgumentException()
          .isThrownBy(() -> cache.documentLogits(new int[] {200}))
          .withMessageContaining("position 200: the document has 200 tokens");
      cache.extend(new int[] {1}, 1);
      assertThatThrownBy(() -> cache.documentLogits(positions))
          .hasMessageContaining("tokens have followed it");
    }
    try (Engine engine = Engine.open(logits().build());
        KeptCache cache = engine.prefillKeeping(document, null, 1)) {
      assertThatThrownBy(() -> cache.documentLogits(new int[] {0}))
          .hasMessageContaining("open the engine with nll or token-nll");
    }
  }

  /**
   * Keys and values of the first layer do not depend on the attention, so a model of one layer that
   * was pre-filled sparsely continues as if it had been pre-filled densely. Oracle: the dense
   * pre-fill of the whole.
   */
  @ParameterizedTest
  @ValueSource(strings = {"a-shape:64:64", "vertical-slash:30:50", "block-sparse:2"})
  void chunksSeeTheWholeDocumentWhateverItsPattern(String attention) throws Exception {
    Path one = new TinyModel(1, 300).write(folder);
    TestOptions options = TestOptions.of(one).emit(Emit.LOGITS);
    float[] dense = options.prefill(TOKENS, null).lastLogits()[0];
    options.attention(attention);
    assertThat(Distance.relative(options.prefill(TOKENS, null).lastLogits()[0], dense))
        .as("the pattern leaves something out")
        .isGreaterThan(SAME);
    try (Engine engine = Engine.open(options.build());
        KeptCache cache = engine.prefillKeeping(part(0, 650), null, 50)) {
      assertThat(Distance.relative(cache.extend(part(650, 700), 1)[0], dense)).isLessThan(SAME);
    }
  }

  /** Oracle: a cache that saw nothing else. */
  @Test
  void questionsThatWereTakenBackLeaveNoTrace() throws Exception {
    int[] question = part(500, 590);
    try (Engine engine = Engine.open(logits().attention("a-shape:64:128").build())) {
      float[][] alone;
      try (KeptCache cache = engine.prefillKeeping(part(0, 437), null, 200)) {
        alone = cache.extend(question, 90);
      }
      try (KeptCache cache = engine.prefillKeeping(part(0, 437), null, 200)) {
        cache.extend(part(600, 700), 1);
        cache.extend(part(0, 100), 1);
        assertThat(cache.length()).isEqualTo(637);
        cache.rewind(537);
        cache.extend(part(0, 1), 1);
        cache.rewind(437);
        assertThat(cache.extend(question, 90)).isDeepEqualTo(alone);
      }
    }
  }

  /** Oracle: {@link Engine#prefill}. */
  @ParameterizedTest
  @ValueSource(strings = {"resident", "stream"})
  void keepingChangesNothingOfThePrefill(String weights) throws Exception {
    TestOptions options = TestOptions.of(model).weights(weights).attention("vertical-slash:30:50");
    KvCollector plainKv = new KvCollector();
    KvCollector kv = new KvCollector();
    try (Engine engine = Engine.open(options.build())) {
      PrefillResult plain = engine.prefill(TOKENS, plainKv);
      try (KeptCache cache = engine.prefillKeeping(TOKENS, kv, 7)) {
        assertThat(kv.contents()).isEqualTo(plainKv.contents());
        assertThat(cache.prefill().lastLogits()).isDeepEqualTo(plain.lastLogits());
        assertThat(cache.prefill().tokenNll()).isEqualTo(plain.tokenNll());
        assertThat(cache.prefill().lastHidden()).isEqualTo(plain.lastHidden());
        assertThat(cache.prefill().density()).isEqualTo(plain.density());
        assertThat(cache.length()).isEqualTo(700);
        assertThat(cache.room()).isEqualTo(7);
      }
      assertThat(engine.prefill(TOKENS, new KvCollector()).lastLogits())
          .as("the document after it")
          .isDeepEqualTo(plain.lastLogits());
    }
  }

  /** Oracles: an engine whose document fits exactly; the plan's own sum. */
  @ParameterizedTest
  @ValueSource(strings = {"resident", "stream"})
  void memoryIsWhatThePlanSaysAndAllOfItComesBack(String weights) throws Exception {
    EngineOptions options = logits().weights(weights).build();
    try (RecordedPrefill recorded = new RecordedPrefill(options)) {
      long before = recorded.backend.bytes();
      MemoryPlan plan = recorded.memory().plan(600, 100);
      try (KeptCache cache = recorded.keep(part(0, 600), null, 100)) {
        long held = recorded.backend.bytes() - before;
        cache.extend(part(600, 700), 100);
        cache.rewind(600);
        cache.extend(part(600, 601), 1);
        assertThat(recorded.backend.bytes() - before).isEqualTo(held);
        assertThat(recorded.backend.peakBytes() - before).isEqualTo(held);
        assertThat(held).isLessThanOrEqualTo(plan.total()).isGreaterThan(plan.total() * 9 / 10);
      }
      assertThat(recorded.backend.bytes()).isEqualTo(before);
    }
  }

  /** Oracle: the same chunk on a cache where nothing went wrong. */
  @Test
  void aChunkThatFailsLeavesTheCacheAsItWas() throws Exception {
    try (RecordedPrefill recorded = new RecordedPrefill(logits().weights("stream").build());
        KeptCache cache = recorded.keep(part(0, 600), null, 100)) {
      float[][] expected = cache.extend(part(600, 700), 100);
      cache.rewind(600);
      int[] calls = new int[1];
      recorded.backend.watch(
          (operator, arguments) -> {
            if (operator.equals("attention") && ++calls[0] == 2) {
              throw new ArithmeticException("of the test");
            }
          });
      assertThatThrownBy(() -> cache.extend(part(0, 90), 1)).hasMessage("of the test");
      assertThat(cache.length()).isEqualTo(600);
      assertThat(cache.extend(part(600, 700), 100)).isDeepEqualTo(expected);
    }
  }

  @Test
  void anInterruptEndsAChunkAndTheCacheGoesOn() throws Exception {
    try (Engine engine = Engine.open(logits().build());
        KeptCache cache = engine.prefillKeeping(part(0, 600), null, 100)) {
      Thread.currentThread().interrupt();
      assertThatThrownBy(() -> cache.extend(part(600, 700), 1))
          .isInstanceOf(InterruptedException.class);
      assertThat(Thread.interrupted()).isFalse();
      assertThat(cache.length()).isEqualTo(600);
      assertThat(cache.extend(part(600, 700), 1)).hasNumberOfRows(1);
    }
  }

  @Test
  void theEngineTakesNoOtherDocumentUntilItIsClosed() throws Exception {
    try (Engine engine = Engine.open(logits().build())) {
      KeptCache cache = engine.prefillKeeping(part(0, 10), null, 5);
      assertThatThrownBy(() -> engine.prefill(TOKENS, null))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("close a cache before the next document");
      assertThatThrownBy(() -> engine.prefillKeeping(TOKENS, null, 1))
          .isInstanceOf(IllegalStateException.class);
      cache.close();
      cache.close();
      assertThat(engine.prefill(TOKENS, null).tokenCount()).isEqualTo(700);
      assertThatThrownBy(() -> cache.extend(part(0, 1), 1))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("closed");
      assertThatThrownBy(() -> cache.rewind(10)).isInstanceOf(IllegalStateException.class);
    }
  }

  @Test
  void whatDoesNotFitIsRefusedWithNumbers() throws Exception {
    try (Engine engine = Engine.open(logits().build());
        KeptCache cache = engine.prefillKeeping(part(0, 10), null, 5)) {
      refused(() -> cache.extend(part(0, 6), 1), "6 tokens", "holds 10", "room for 5 more");
      refused(() -> cache.extend(new int[0], 1), "0 tokens");
      refused(() -> cache.extend(part(0, 1), 0), "last 0");
      refused(() -> cache.extend(new int[] {1, 300}, 1), "token 1 has id 300", "0 to 299");
      cache.extend(part(0, 2), 1);
      refused(() -> cache.rewind(9), "12 tokens to 9", "has 10");
      refused(() -> cache.rewind(13), "12 tokens to 13");
      refused(() -> GreedyAnswer.of(cache, new float[300], 5, Set.of()), "up to 5", "room for 3");
      refused(() -> GreedyAnswer.of(cache, new float[300], 0, Set.of()), "up to 0");
      refused(() -> ForcedAnswer.of(cache, new float[300], new int[0]), "no tokens");
      refused(() -> ForcedAnswer.of(cache, new float[300], new int[] {300}), "id 300");
    }
  }

  private static void refused(ThrowingCallable call, String... words) {
    assertThatIllegalArgumentException()
        .isThrownBy(call)
        .satisfies(e -> assertThat(e.getMessage()).contains(words));
  }

  @Test
  void aCacheThatNothingCouldFollowIsNotKept() throws Exception {
    try (Engine engine = Engine.open(logits().build())) {
      refused(() -> engine.prefillKeeping(TOKENS, null, 0), "700 tokens", "room for 0 more");
      refused(() -> engine.prefillKeeping(TOKENS, null, Integer.MAX_VALUE), "2^31");
      refused(() -> engine.prefillKeeping(new int[0], null, 1), "no tokens");
      assertThat(engine.prefill(TOKENS, null).tokenCount()).as("it goes on").isEqualTo(700);
    }
    try (Engine engine = Engine.open(logits().emit(Emit.KV).build())) {
      refused(() -> engine.prefillKeeping(TOKENS, block -> {}, 1), "[KV]", "add answer or logits");
    }
  }

  /** Oracle: the cache of the document whose keys and values were stored. */
  @Test
  void aRestoredCacheContinuesAsTheOneThatWasStored() throws Exception {
    TestOptions options = TestOptions.of(model).emit(Emit.KV, Emit.LOGITS).blockTokens(100);
    KvCollector stored = new KvCollector();
    float[][] expected;
    try (Engine engine = Engine.open(options.build());
        KeptCache cache = engine.prefillKeeping(part(0, 620), stored, 80)) {
      expected = cache.extend(part(620, 700), 80);
    }
    int[] other = part(0, 620);
    Arrays.setAll(other, i -> (other[i] + 1) % 300);
    try (Engine engine = Engine.open(options.build());
        KeptCache cache = engine.prefillKeeping(other, block -> {}, 80)) {
      float[][] before = cache.extend(part(620, 700), 80);
      assertThat(Distance.relative(before[79], expected[79])).isGreaterThan(100 * SAME);
      cache.rewind(620);
      stored.blocks().forEach(cache::restore);
      float[][] after = cache.extend(part(620, 700), 80);
      for (int i = 0; i < 80; i++) {
        assertThat(Distance.relative(after[i], expected[i])).as("position %d", i).isLessThan(SAME);
      }
      KvBlock b = stored.blocks().get(0);
      for (KvBlock wrong :
          new KvBlock[] {
            new KvBlock(3, 0, 0, 100, b.dtype(), b.key(), b.value(), 0),
            new KvBlock(-1, 0, 0, 100, b.dtype(), b.key(), b.value(), 0),
            new KvBlock(0, 0, 521, 100, b.dtype(), b.key(), b.value(), 0),
            new KvBlock(0, 0, 0, 101, b.dtype(), b.key(), b.value(), 0)
          }) {
        assertThatIllegalArgumentException()
            .isThrownBy(() -> cache.restore(wrong))
            .withMessageContaining("layer " + wrong.layer())
            .withMessageContaining("3 layers of 620 tokens");
      }
    }
  }
}
