package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Weights that are read while the layers compute. */
class StreamedWeightsTest {
  private static final TinyModel TINY = new TinyModel(5, 300);

  /** Two norms, qkv, output, gate and up, down. */
  private static final int MATRICES = 6;

  @TempDir Path folder;

  private EngineOptions options(String weights) {
    return TestOptions.of(TINY.write(folder)).weights(weights).build();
  }

  /** Oracle: the same document with resident weights, bit by bit. */
  @Test
  void giveTheSameNumbersAsResidentOnes() throws Exception {
    int[] tokens = TINY.tokens(200);
    KvCollector resident = new KvCollector();
    KvCollector streamed = new KvCollector();
    PrefillResult expected;
    PrefillResult actual;
    try (RecordedPrefill recorded = new RecordedPrefill(options("resident"))) {
      expected = recorded.run(tokens, resident);
    }
    try (RecordedPrefill recorded = new RecordedPrefill(options("stream"))) {
      actual = recorded.run(tokens, streamed);
    }
    assertThat(actual.lastLogits()).isDeepEqualTo(expected.lastLogits());
    assertThat(actual.tokenNll()).isEqualTo(expected.tokenNll());
    assertThat(streamed.contents()).isEqualTo(resident.contents());
  }

  /** What was read, and what the pre-fill does with it. */
  private static final class Reading {
    private int matrices;

    synchronized void read() {
      matrices++;
      notifyAll();
    }

    /** Waits until that many matrices were begun. */
    synchronized int await(int count) throws InterruptedException {
      long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(1);
      while (matrices < count && System.nanoTime() < end) {
        wait(1000);
      }
      return matrices;
    }
  }

  /**
   * Every layer's attention waits until all of the next layer is being read: without reading ahead
   * it would wait in vain. What comes behind has no place yet.
   */
  @Test
  void areReadOneLayerAheadAndNoMore() throws Exception {
    try (RecordedPrefill recorded = new RecordedPrefill(options("stream"))) {
      Reading reading = new Reading();
      List<Integer> readAtAttention = new ArrayList<>();
      recorded.backend.watch(
          (operator, arguments) -> {
            if (operator.equals("fill")) {
              reading.read();
            }
            if (operator.equals("attention")) {
              int ahead = Math.min(TINY.layers(), readAtAttention.size() + 2);
              try {
                readAtAttention.add(reading.await(ahead * MATRICES));
              } catch (InterruptedException e) {
                throw new AssertionError(e);
              }
            }
          });
      recorded.run(TINY.tokens(200), new KvCollector());
      assertThat(readAtAttention).containsExactly(12, 18, 24, 30, 30);
      assertThat(recorded.backend.allocations())
          .filteredOn(allocation -> allocation.what().equals("weights of a streamed layer"))
          .as("room for two layers")
          .hasSize(2 * MATRICES);
    }
  }

  @Test
  void areTakenInTheOrderOfTheLayers() throws Exception {
    try (RecordedPrefill recorded = new RecordedPrefill(options("stream"));
        Buffers.OnDevice buffers = new Buffers.OnDevice(recorded.backend.backend());
        LayerFeed feed = recorded.feed(buffers)) {
      feed.layer(0);
      assertThatThrownBy(() -> feed.layer(2))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("Layer 2 was asked for, but the next one is 1");
    }
  }
}
