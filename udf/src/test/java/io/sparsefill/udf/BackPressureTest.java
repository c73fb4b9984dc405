package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.KvDtype;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A sink that is slower than the layers: the pre-fill waits, and the memory stays what it was. */
class BackPressureTest {
  private static final int TOKENS = 130;
  private static final int BLOCK = 64;
  private static final int BLOCKS = 3;

  @TempDir Path folder;

  /** The layers that began to write their keys: their first chunk was rotated. */
  private static final class LayersBegun {
    private final List<CountDownLatch> layers = new ArrayList<>();
    private final AtomicInteger count = new AtomicInteger();

    LayersBegun(RecordedPrefill recorded, int layers) {
      for (int l = 0; l < layers; l++) {
        this.layers.add(new CountDownLatch(1));
      }
      recorded.backend.watch(
          (operator, arguments) -> {
            if (operator.equals("splitAndRotate") && (int) arguments[2] == 0) {
              this.layers.get(count.getAndIncrement()).countDown();
            }
          });
    }

    void await(int layer) throws InterruptedException {
      assertThat(layers.get(layer).await(1, TimeUnit.MINUTES)).as("layer %d", layer).isTrue();
    }

    int count() {
      return count.get();
    }
  }

  /**
   * The sink keeps the last block of every layer l until the pre-fill waits or has gone on to layer
   * l + 2, whose keys would overwrite those of layer l.
   */
  @Test
  void atMostTwoLayersAreInFlight() throws Exception {
    TinyModel tiny = new TinyModel(6, 300);
    EngineOptions options = options(tiny.write(folder));
    KvCollector fast = new KvCollector();
    try (RecordedPrefill recorded = new RecordedPrefill(options)) {
      recorded.run(tiny.tokens(TOKENS), fast);
    }
    try (RecordedPrefill recorded = new RecordedPrefill(options)) {
      LayersBegun begun = new LayersBegun(recorded, tiny.layers());
      Thread engine = Thread.currentThread();
      List<Integer> begunAtLastBlock = new ArrayList<>();
      KvCollector slow = new KvCollector();
      recorded.run(
          tiny.tokens(TOKENS),
          block -> {
            int limit = block.layer() + 2;
            if (block.block() == BLOCKS - 1 && limit < tiny.layers()) {
              begun.await(limit - 1);
              Parked.await(engine, "awaitFree", () -> begun.count() > limit);
              begunAtLastBlock.add(begun.count());
            }
            slow.accept(block);
          });
      assertThat(begunAtLastBlock).containsExactly(2, 3, 4, 5);
      assertThat(slow.blocks()).hasSize(tiny.layers() * BLOCKS);
      assertThat(slow.contents()).isEqualTo(fast.contents());
    }
  }

  /** Oracle: the same document through half as many layers. */
  @Test
  void memoryDoesNotGrowWithTheLayers() throws Exception {
    long few = peak(new TinyModel(3, 300), "few");
    long many = peak(new TinyModel(9, 300), "many");
    assertThat(many).isEqualTo(few);
  }

  private long peak(TinyModel tiny, String name) throws Exception {
    Path model = tiny.write(Files.createDirectory(folder.resolve(name)));
    try (RecordedPrefill recorded = new RecordedPrefill(options(model))) {
      long weights = recorded.backend.bytes();
      recorded.run(tiny.tokens(TOKENS), new KvCollector());
      long width = TinyModel.KV_HEADS * TinyModel.HEAD_DIM;
      assertThat(recorded.backend.allocations())
          .filteredOn(a -> a.what().contains("of a layer"))
          .as("two pairs of keys and values")
          .hasSize(4)
          .allSatisfy(a -> assertThat(a.bytes()).isEqualTo(TOKENS * width * Float.BYTES));
      return recorded.backend.peakBytes() - weights;
    }
  }

  private static EngineOptions options(Path model) {
    return TestOptions.of(model).dtype(KvDtype.FP32).blockTokens(BLOCK).build();
  }
}
