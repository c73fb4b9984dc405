package io.sparsefill.job.eval.task;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.Engine;
import io.sparsefill.udf.EngineOptions;
import io.sparsefill.udf.PrefillResult;
import io.sparsefill.udf.model.RopeFrequencies;
import java.nio.file.Path;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import org.junit.jupiter.api.Test;

/**
 * The bundled model on plain samples, dense. The oracle is what it was measured at after its
 * training (eval_dense.json beside its weights, 4,096 tokens): a rate here must not be so low that
 * chance explains it less than once in a thousand times.
 */
class TrainedModelTest {
  private static final Path MODEL =
      Path.of(System.getProperty("sparsefill.root"), "conf", "models", "needle-2m");

  private static final Map<Task, Double> MEASURED =
      Map.of(
          Task.NEEDLE, 0.917,
          Task.NIAH_MULTIKEY_1, 0.979,
          Task.NIAH_MULTIKEY_2, 0.896,
          Task.KV, 0.98, // 48 of 48, as one more sample could have missed
          Task.PASSKEY, 0.98);

  private static final int SAMPLES = 8;
  private static final int LENGTH = 4_096;

  /** Logits at so many last positions; a UUID takes up to 36 tokens. */
  private static final int LAST = 40;

  @Test
  void retrievesAsAfterItsTraining() throws Exception {
    Samples samples =
        new Samples(
            Wording.PLAIN, TestTexts.NOVEL, text -> TestTexts.needle2m().apply(text).length);
    try (Engine engine = Engine.open(options())) {
      for (Task task : Task.values()) {
        if (MEASURED.containsKey(task)) {
          int hits = 0;
          for (int seed = 0; seed < SAMPLES; seed++) {
            Sample sample = samples.sample(task, LENGTH, OptionalDouble.empty(), seed);
            hits += hit(engine, sample) ? 1 : 0;
          }
          double chance = atMost(hits, MEASURED.get(task));
          System.out.printf(
              "%s: %d of %d, measured %.3f, chance of no more %.3f%n",
              task.label(), hits, SAMPLES, MEASURED.get(task), chance);
          assertThat(chance).as("%s: %d hits", task.label(), hits).isGreaterThan(0.001);
        }
      }
    }
  }

  private static boolean hit(Engine engine, Sample sample) throws Exception {
    Prompt prompt = Prompt.of(sample, sample.questions().get(0), TestTexts.needle2m());
    PrefillResult result = engine.prefill(prompt.tokens(), null);
    int[] argmax = new int[prompt.answerTokens().length];
    for (int i = 0; i < argmax.length; i++) {
      float[] row = result.lastLogits()[LAST - argmax.length - 1 + i];
      for (int id = 0; id < row.length; id++) {
        argmax[i] = row[id] > row[argmax[i]] ? id : argmax[i];
      }
    }
    return prompt.hits(argmax)[0];
  }

  /** Probability of so many hits or fewer. */
  private static double atMost(int hits, double rate) {
    double sum = 0;
    double term = Math.pow(1 - rate, SAMPLES);
    for (int k = 0; k <= hits; k++) {
      sum += term;
      term *= rate / (1 - rate) * (SAMPLES - k) / (k + 1);
    }
    return sum;
  }

  private static EngineOptions options() {
    return new EngineOptions(
        MODEL.toString(),
        "cpu",
        "resident",
        "dense",
        null,
        Set.of(Emit.LOGITS),
        LAST,
        RopeFrequencies.FP32,
        KvDtype.FP32,
        256,
        1);
  }
}
