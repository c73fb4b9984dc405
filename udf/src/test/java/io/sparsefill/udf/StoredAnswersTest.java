package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.KvDtype;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A trained model answers questions on a cache that was stored and restored. The oracle is the
 * truth: each answer token must be the argmax where it is due, on prompts that the model answers on
 * a cache that was not stored.
 */
class StoredAnswersTest {
  /** Of a prompt's end, what follows on the cache: the question is among it. */
  private static final int FOLLOW = 100;

  @ParameterizedTest
  @CsvSource({"needle-2m, 4000, 4", "needle-19m, 8000, 3"})
  void keysAreFoundInCachesOfEveryType(String name, int tokens, int prompts) throws Exception {
    Path model = SharedMaterial.model(name);
    for (KvDtype dtype : new KvDtype[] {KvDtype.BF16, KvDtype.FP8}) {
      int plain = 0;
      int stored = 0;
      for (int seed = 1; seed <= prompts; seed++) {
        KeyValuePrompt json = KeyValuePrompt.of(tokens, seed);
        AnsweredPrompt asked = AnsweredPrompt.of(model, json.prompt(), json.answer());
        boolean[] right = answers(model, asked, dtype);
        plain += right[0] ? 1 : 0;
        stored += right[1] ? 1 : 0;
      }
      System.out.printf(
          "%s, key-value retrieval in %d tokens: %d of %d right, %d on a cache stored as %s%n",
          name, tokens, plain, prompts, stored, dtype.label());
      assertThat(plain).as("right without being stored").isPositive();
      assertThat(stored).isEqualTo(plain);
    }
  }

  /** Whether the answer is right on the cache as it is, and after it was restored. */
  private static boolean[] answers(Path model, AnsweredPrompt asked, KvDtype dtype)
      throws Exception {
    int[] all = asked.tokens();
    int from = all.length - asked.truth().length - FOLLOW;
    int[] follow = Arrays.copyOfRange(all, from, all.length);
    List<KvBlock> blocks = new ArrayList<>();
    EngineOptions options =
        TestOptions.of(model).emit(Emit.KV, Emit.LOGITS).dtype(dtype).threads(2).build();
    try (Engine engine = Engine.open(options);
        KeptCache cache =
            engine.prefillKeeping(Arrays.copyOf(all, from), blocks::add, follow.length)) {
      boolean plain = right(cache.extend(follow, asked.truth().length + 1), asked.truth());
      cache.rewind(from);
      blocks.forEach(cache::restore);
      return new boolean[] {
        plain, right(cache.extend(follow, asked.truth().length + 1), asked.truth())
      };
    }
  }

  private static boolean right(float[][] logits, int[] truth) {
    for (int i = 0; i < truth.length; i++) {
      int best = 0;
      for (int id = 0; id < logits[i].length; id++) {
        best = logits[i][id] > logits[i][best] ? id : best;
      }
      if (best != truth[i]) {
        return false;
      }
    }
    return true;
  }
}
