package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.udf.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The walk of an observer. The oracle for what it shows is a dense pre-fill's cache: keys of a
 * layer follow from the exact outputs of all layers before it.
 */
class DenseWalkTest {
  private static final TinyModel MODEL = new TinyModel(3, 100);
  private static final int TOKENS = 200;

  @TempDir private Path folder;

  /** Tries A-shape on every layer, and counts. */
  private static class Trial implements LayerObserver {
    final List<Integer> layers = new ArrayList<>();

    @Override
    public List<List<HeadPattern>> largest(AttentionShape shape) {
      return List.of(patterns(shape));
    }

    @Override
    public void layer(ObservedLayer layer) throws IOException {
      layers.add(layer.number());
      assertThat(layer.fidelity(patterns(layer.shape()), false))
          .hasSize(TinyModel.HEADS)
          .allSatisfy(head -> assertThat(head.error()).isPositive());
    }

    private static List<HeadPattern> patterns(AttentionShape shape) {
      return Collections.nCopies(shape.heads(), new HeadPattern.AShape(1, 1));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"resident", "stream"})
  void layersGetTheExactOutputsOfThoseBeforeWhateverIsTried(String weights) throws Exception {
    EngineOptions options =
        TestOptions.of(MODEL.write(folder)).weights(weights).emit(Emit.KV).build();
    KvCollector cache = new KvCollector();
    try (RecordedPrefill model = new RecordedPrefill(options)) {
      model.run(MODEL.tokens(TOKENS), cache);
      List<float[]> keys = new ArrayList<>();
      model.backend.watch(
          (operator, arguments) -> {
            if (operator.equals("attention")) {
              keys.add(model.backend.backend().read((Tensor) arguments[3]));
            }
          });
      Trial trial = new Trial();
      model.observe(MODEL.tokens(TOKENS), trial);
      assertThat(trial.layers).containsExactly(0, 1, 2);
      assertThat(keys).as("exact and tried attention of each layer").hasSize(6);
      ModelConfig config = ModelConfig.read(folder);
      for (int l = 0; l < 3; l++) {
        float[] expected = cache.layer(l, true, config, TOKENS);
        float[] found = keys.get(2 * l);
        for (int t = 0; t < TOKENS; t++) {
          for (int c = 0; c < found.length / TOKENS; c++) {
            int head = c / TinyModel.HEAD_DIM;
            int i = c % TinyModel.HEAD_DIM;
            assertThat(found[t * found.length / TOKENS + c])
                .isCloseTo(expected[(head * TOKENS + t) * TinyModel.HEAD_DIM + i], within(1e-5f));
          }
        }
      }
    }
  }

  @Test
  void everyTensorIsGivenBackAlsoWhenTheObserverFails() throws Exception {
    EngineOptions options = TestOptions.of(MODEL.write(folder)).build();
    try (RecordedPrefill model = new RecordedPrefill(options)) {
      int held = model.backend.open();
      model.observe(MODEL.tokens(TOKENS), new Trial());
      assertThat(model.backend.open()).isEqualTo(held);
      LayerObserver fails =
          new Trial() {
            @Override
            public void layer(ObservedLayer layer) throws IOException {
              super.layer(layer);
              throw new IOException("enough");
            }
          };
      assertThatThrownBy(() -> model.observe(MODEL.tokens(TOKENS), fails))
          .isInstanceOf(IOException.class)
          .hasMessage("enough");
      assertThat(model.backend.open()).isEqualTo(held);
    }
  }

  @Test
  void anEngineObservesAndThenPrefillsAsBefore() throws Exception {
    TestOptions options = TestOptions.of(MODEL.write(folder)).emit(Emit.LOGITS);
    float[][] alone = options.prefill(MODEL.tokens(TOKENS), null).lastLogits();
    try (Engine engine = Engine.open(options.build())) {
      engine.observe(MODEL.tokens(TOKENS), new Trial());
      assertThat(engine.prefill(MODEL.tokens(TOKENS), null).lastLogits()).isDeepEqualTo(alone);
      assertThatThrownBy(
              () ->
                  engine.observe(
                      MODEL.tokens(TOKENS),
                      new Trial() {
                        @Override
                        public void layer(ObservedLayer layer) {
                          assertThatThrownBy(() -> engine.prefill(MODEL.tokens(5), null))
                              .hasMessageContaining("Cannot pre-fill two documents at a time");
                          throw new IllegalStateException("seen");
                        }
                      }))
          .hasMessage("seen");
    }
  }
}
