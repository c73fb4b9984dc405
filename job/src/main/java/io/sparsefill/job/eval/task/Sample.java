package io.sparsefill.job.eval.task;

import java.util.List;
import java.util.Locale;

/**
 * One sample of a task.
 *
 * @param task the task
 * @param length tokens asked for: context, question and answers take no more, and less by under one
 *     unit of the task
 * @param depth where in the context the thing asked for lies, 0 (its beginning) to 1 (its end); NaN
 *     where no one place is meant; of several questions the first one's
 * @param seed decides the rest; of {@link Task#PPL} the index of the text
 * @param context what the model reads first
 * @param questions what it is asked then, each by itself; none for {@link Task#PPL}
 */
public record Sample(
    Task task, int length, double depth, long seed, String context, List<Question> questions) {
  /** Takes a copy of the questions. */
  public Sample {
    questions = List.copyOf(questions);
  }

  /** Names this sample among all others of one wording: {@code needle-4096-d0.50-s7}. */
  public String id() {
    return Double.isNaN(depth)
        ? String.format(Locale.ROOT, "%s-%d-s%d", task.label(), length, seed)
        : String.format(Locale.ROOT, "%s-%d-d%.2f-s%d", task.label(), length, depth, seed);
  }
}
