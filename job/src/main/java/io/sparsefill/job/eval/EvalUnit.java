package io.sparsefill.job.eval;

import io.sparsefill.job.eval.task.Task;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;

/**
 * A sample of an evaluation, which every mode is asked.
 *
 * @param task the task
 * @param length tokens
 * @param depth 0 to 1, or NaN for a drawn one
 * @param number of the sample among those of its task and length, from 0; of ppl the text's
 */
record EvalUnit(Task task, int length, double depth, int number) implements Serializable {
  private static final long serialVersionUID = 1L;

  /**
   * All units: length by length, task by task.
   *
   * @param texts how many texts there are
   */
  static List<EvalUnit> of(EvalOptions options, int texts) {
    List<EvalUnit> units = new ArrayList<>();
    for (int length : options.lengths()) {
      for (Task task : options.tasks()) {
        int count = task == Task.PPL ? Math.min(options.samples(), texts) : options.samples();
        for (int i = 0; i < count; i++) {
          double depth =
              task == Task.NEEDLE ? options.depths().get(i % options.depths().size()) : Double.NaN;
          units.add(new EvalUnit(task, length, depth, i));
        }
      }
    }
    return units;
  }

  OptionalDouble depthIfGiven() {
    return Double.isNaN(depth) ? OptionalDouble.empty() : OptionalDouble.of(depth);
  }

  /** Names this unit among all others of an output folder: {@code needle-4096-d0.50-7}. */
  String id() {
    return Double.isNaN(depth)
        ? "%s-%d-%d".formatted(task.label(), length, number)
        : String.format(Locale.ROOT, "%s-%d-d%.2f-%d", task.label(), length, depth, number);
  }
}
