package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.cuda.CudaBackend;
import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.TextTokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** What an observer measures on a GPU. The oracle is the CPU backend, up to bf16. */
class CudaObserveTest {
  private static final List<HeadPattern> PATTERNS =
      List.of(
          new HeadPattern.Dense(),
          new HeadPattern.AShape(128, 512),
          new HeadPattern.BlockSparse(6),
          new HeadPattern.VerticalSlash(100, 200));

  @BeforeAll
  static void needsDevice() {
    Optional<String> reason = CudaBackend.unavailable();
    SharedMaterial.orSkip(
        reason.isEmpty(), "Skipped, no CUDA device: " + reason.orElse("there is one"));
  }

  @Test
  void tilesErrorsAndRecallAreTheCpusUpToBf16() throws Exception {
    Path model = SharedMaterial.model("needle-2m");
    int[] tokens;
    try (TextTokenizer tokenizer = TextTokenizer.open(model, BosPolicy.AUTO)) {
      tokens = tokenizer.encode(KeyValuePrompt.of(2_000, 3).prompt());
    }
    List<List<HeadFidelity>> cpu = observe(model, "cpu", tokens);
    List<List<HeadFidelity>> cuda = observe(model, "cuda", tokens);
    for (int p = 0; p < PATTERNS.size(); p++) {
      for (int i = 0; i < cpu.get(p).size(); i++) {
        HeadFidelity expected = cpu.get(p).get(i);
        HeadFidelity found = cuda.get(p).get(i);
        // Estimates in bf16 choose other lines near the cut, which may cost a few tiles.
        assertThat((double) found.tiles())
            .as("%s, head %d", PATTERNS.get(p), i)
            .isCloseTo(expected.tiles(), within(0.05 * expected.tiles()));
        assertThat(found.error())
            .as("%s, head %d", PATTERNS.get(p), i)
            .isCloseTo(expected.error(), within(0.03));
        assertThat(found.lastError())
            .as("%s, head %d", PATTERNS.get(p), i)
            .isCloseTo(expected.lastError(), within(0.03));
        assertThat(found.recall())
            .as("%s, head %d", PATTERNS.get(p), i)
            .isCloseTo(expected.recall(), within(0.03));
      }
    }
    assertThat(cuda.get(0)).allSatisfy(head -> assertThat(head.error()).isZero());
  }

  /** For each pattern, all heads of all layers. */
  private static List<List<HeadFidelity>> observe(Path model, String backend, int[] tokens)
      throws Exception {
    List<List<HeadFidelity>> found = new ArrayList<>();
    PATTERNS.forEach(pattern -> found.add(new ArrayList<>()));
    try (Engine engine =
        Engine.open(TestOptions.of(model).backend(backend).emit(Emit.HIDDEN).threads(2).build())) {
      engine.observe(
          tokens,
          new LayerObserver() {
            @Override
            public List<List<HeadPattern>> largest(AttentionShape shape) {
              return PATTERNS.stream().map(pattern -> same(pattern, shape)).toList();
            }

            @Override
            public void layer(ObservedLayer layer) {
              for (int p = 0; p < PATTERNS.size(); p++) {
                List<HeadPattern> patterns = same(PATTERNS.get(p), layer.shape());
                List<HeadFidelity> heads = layer.fidelity(patterns, false);
                found.get(p).addAll(heads);
                assertThat(layer.tiles(patterns))
                    .containsExactly(heads.stream().mapToLong(HeadFidelity::tiles).toArray());
              }
            }
          });
    }
    return found;
  }

  private static List<HeadPattern> same(HeadPattern pattern, AttentionShape shape) {
    return Collections.nCopies(shape.heads(), pattern);
  }
}
