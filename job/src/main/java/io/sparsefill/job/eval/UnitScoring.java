package io.sparsefill.job.eval;

import io.sparsefill.job.eval.task.PositionBuckets;
import io.sparsefill.job.eval.task.Prompt;
import io.sparsefill.job.eval.task.Sample;
import io.sparsefill.job.eval.task.Samples;
import io.sparsefill.job.eval.task.Task;
import io.sparsefill.udf.DeviceLost;
import io.sparsefill.udf.EngineLease;
import io.sparsefill.udf.ForcedAnswer;
import io.sparsefill.udf.KeptCache;
import io.sparsefill.udf.PrefillResult;
import io.sparsefill.udf.text.TextTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes a unit's sample and asks each mode: one sparse pre-fill, then the answers densely over its
 * cache. A sample that cannot be made, and a mode that fails, are rows with their error.
 */
final class UnitScoring {
  /** Positions of the first bucket of perplexity. */
  static final int FIRST_BUCKET = 256;

  private static final Logger log = LoggerFactory.getLogger(UnitScoring.class);

  /**
   * The documents that modes which keep lines take them from, by evaluation, task and length. Few:
   * units come task by task.
   */
  private static final ConcurrentMap<String, int[]> FIRST_DOCUMENTS = new ConcurrentHashMap<>();

  private final EvalJob job;
  private final TextTokenizer tokenizer;
  private final Samples samples;

  UnitScoring(EvalJob job, TextTokenizer tokenizer) {
    this.job = job;
    this.tokenizer = tokenizer;
    this.samples =
        new Samples(
            job.wording(), job.haystack(), text -> tokenizer.encode(text).length, job.questions());
  }

  /** What is asked with a mode. */
  private interface Asking {
    /** Asks, and adds what the mode's row says beside its score. */
    SampleRow.Score ask(EvalMode mode, List<BucketRow> buckets) throws Exception;
  }

  /**
   * Asks modes.
   *
   * @throws InterruptedException if the thread is interrupted
   * @throws DeviceLost if the GPU can no longer be used; the task must fail, not the sample
   */
  UnitResult score(EvalUnit unit, List<EvalMode> modes) throws InterruptedException {
    List<SampleRow> rows = new ArrayList<>();
    List<BucketRow> buckets = new ArrayList<>();
    Asking asking;
    try {
      asking = asking(unit);
    } catch (RuntimeException e) {
      log.warn("Cannot make {}", unit.id(), e);
      for (EvalMode mode : modes) {
        rows.add(row(unit, mode, null, said(e)));
      }
      return UnitResult.of(rows, buckets);
    }
    for (EvalMode mode : modes) {
      try {
        rows.add(row(unit, mode, asking.ask(mode, buckets), null));
      } catch (InterruptedException | DeviceLost e) {
        throw e;
      } catch (Exception e) {
        log.warn("Cannot ask {} with {}", unit.id(), mode.name(), e);
        rows.add(row(unit, mode, null, said(e)));
      }
    }
    return UnitResult.of(rows, buckets);
  }

  private static String said(Exception e) {
    return e.getMessage() == null ? e.toString() : e.getMessage();
  }

  private SampleRow row(EvalUnit unit, EvalMode mode, SampleRow.Score score, String error) {
    return new SampleRow(unit, job.wording().label(), mode.name(), mode.digest(), score, error);
  }

  private Asking asking(EvalUnit unit) {
    if (unit.task() == Task.PPL) {
      int[] tokens = text(unit.number(), unit.length());
      return (mode, buckets) -> measure(unit, tokens, mode, buckets);
    }
    Sample sample =
        samples.sample(unit.task(), unit.length(), unit.depthIfGiven(), job.seed() + unit.number());
    AskedSample asked = AskedSample.of(sample, tokenizer);
    return (mode, buckets) -> answer(unit, asked, mode);
  }

  private int[] text(int number, int length) {
    return tokenizer.encode(samples.perplexity(number, length).context());
  }

  private SampleRow.Score measure(
      EvalUnit unit, int[] tokens, EvalMode mode, List<BucketRow> buckets) throws Exception {
    try (ModeEngines engine = ModeEngines.claim(mode.measuring())) {
      PrefillResult result = engine.lease().prefill(firstDocument(unit, mode), tokens, null);
      PositionBuckets positions = new PositionBuckets(FIRST_BUCKET);
      positions.add(result.tokenNll());
      String text = job.haystack().texts().get(unit.number()).name();
      for (PositionBuckets.Bucket bucket : positions.buckets()) {
        double nllSum = Math.log(bucket.perplexity()) * bucket.tokens();
        buckets.add(
            new BucketRow(
                unit, text, mode.name(), bucket.from(), bucket.to(), nllSum, bucket.tokens()));
      }
      return score("text", result, 0, new Count());
    }
  }

  private SampleRow.Score answer(EvalUnit unit, AskedSample asked, EvalMode mode) throws Exception {
    try (ModeEngines engine = ModeEngines.claim(mode.answering())) {
      EngineLease lease = engine.lease();
      return lease.prefillKeeping(
          firstDocument(unit, mode),
          asked.prefill(),
          null,
          asked.room(),
          cache -> {
            Count count = new Count();
            for (Prompt prompt : asked.prompts()) {
              count.add(prompt, likeliest(asked, prompt, cache));
            }
            return score(
                asked.contextAlone() ? "context" : "prompt",
                cache.prefill(),
                asked.prompts().size(),
                count);
          });
    }
  }

  /** The likeliest tokens at the places of a prompt's answers. */
  private static int[] likeliest(AskedSample asked, Prompt prompt, KeptCache cache)
      throws Exception {
    int[] question = asked.question(prompt);
    if (question.length == 0) {
      return ForcedAnswer.of(cache, cache.prefill().lastLogits()[0], prompt.answerTokens())
          .likeliest();
    }
    float[] next = cache.extend(question, 1)[0];
    int[] likeliest = ForcedAnswer.of(cache, next, prompt.answerTokens()).likeliest();
    cache.rewind(asked.prefill().length);
    return likeliest;
  }

  private static SampleRow.Score score(
      String prefilled, PrefillResult result, int questions, Count count) {
    return new SampleRow.Score(
        prefilled,
        result.tokenCount(),
        questions,
        count.hits,
        count.answers,
        count.answersRight,
        count.answerTokens,
        count.tokensRight,
        result.density(),
        result.seconds(),
        result.device());
  }

  /** What was right. */
  private static final class Count {
    int hits;
    int answers;
    int answersRight;
    int answerTokens;
    int tokensRight;

    void add(Prompt prompt, int[] likeliest) {
      int right = 0;
      for (boolean hit : prompt.hits(likeliest)) {
        right += hit ? 1 : 0;
      }
      hits += right == prompt.answers().size() ? 1 : 0;
      answers += prompt.answers().size();
      answersRight += right;
      for (Prompt.Span span : prompt.answers()) {
        for (int t = span.from(); t < span.to(); t++) {
          answerTokens++;
          tokensRight += likeliest[t - prompt.promptTokens()] == prompt.tokens()[t] ? 1 : 0;
        }
      }
    }
  }

  /**
   * The document whose lines a mode keeps: of each task and length a sample that is not asked,
   * whichever unit an engine sees first; of ppl the first text. Null for other modes.
   */
  private int[] firstDocument(EvalUnit unit, EvalMode mode) {
    if (!mode.keepsLines()) {
      return null;
    }
    FIRST_DOCUMENTS.keySet().removeIf(key -> !key.startsWith(job.id().toString()));
    String key = job.id() + " " + unit.task().label() + " " + unit.length();
    return FIRST_DOCUMENTS.computeIfAbsent(key, absent -> firstDocument(unit));
  }

  private int[] firstDocument(EvalUnit unit) {
    if (unit.task() == Task.PPL) {
      return text(0, unit.length());
    }
    Sample sample =
        samples.sample(unit.task(), unit.length(), OptionalDouble.empty(), job.seed() - 1);
    Prompt prompt = AskedSample.of(sample, tokenizer).prompts().get(0);
    return Arrays.copyOf(prompt.tokens(), prompt.promptTokens());
  }
}
