package io.sparsefill.job.eval;

import io.sparsefill.job.InputOptions;
import io.sparsefill.job.eval.task.Task;
import io.sparsefill.job.eval.task.Wording;
import io.sparsefill.job.run.OptionValues;
import io.sparsefill.job.run.RunOption;
import io.sparsefill.job.run.RunOptions;
import io.sparsefill.job.run.UsageException;
import io.sparsefill.kernels.attention.AttentionPlan;
import io.sparsefill.udf.model.RopeFrequencies;
import io.sparsefill.udf.text.BosPolicy;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;

/**
 * What an evaluation is asked for.
 *
 * @param model folder of the checkpoint
 * @param tasks each once
 * @param lengths tokens of a sample, each once
 * @param modes attention modes, each once, as {@code --attention} takes them
 * @param samples of each task and length; of ppl the most texts
 * @param depths 0 to 1, that needle's samples take in turn
 * @param questions about a context of many keys
 * @param wording how prompts are worded
 * @param texts file or folder of texts, or null
 * @param seed of the first sample; each further one has the next
 * @param bos whether a begin-of-text token is put in front
 * @param compute how tokens are pre-filled; its attention is the first mode
 * @param fidelity of what documents, or null
 * @param output folder of the results
 * @param master Spark master of an embedded session, or null
 */
public record EvalOptions(
    String model,
    List<Task> tasks,
    List<Integer> lengths,
    List<String> modes,
    int samples,
    List<Double> depths,
    int questions,
    Wording wording,
    String texts,
    long seed,
    BosPolicy bos,
    RunOptions.Compute compute,
    Fidelity fidelity,
    String output,
    String master) {

  /** Takes copies of the lists. */
  public EvalOptions {
    tasks = List.copyOf(tasks);
    lengths = List.copyOf(lengths);
    modes = List.copyOf(modes);
    depths = List.copyOf(depths);
  }

  /**
   * Documents on which modes are compared with dense attention.
   *
   * @param input which documents
   * @param tokens how they become tokens
   * @param positions how many of each, besides the last
   */
  public record Fidelity(InputOptions input, RunOptions.Tokens tokens, int positions) {}

  /** What is given on the command line alone, as it stands there. */
  public record Given(
      String tasks,
      String lengths,
      String attention,
      int samples,
      String depths,
      int questions,
      String wording,
      String texts,
      long seed,
      boolean fidelity,
      int positions) {}

  /**
   * Reads all options.
   *
   * @param given the evaluation's own
   * @param values those that it shares with a run
   * @throws UsageException for a missing option or a value that is not accepted
   */
  public static EvalOptions of(Given given, OptionValues values) {
    List<String> modes = list("--attention", given.attention(), word -> word);
    if (given.samples() < 1) {
      throw new UsageException(
          "Cannot use --samples %d: at least 1 is needed".formatted(given.samples()));
    }
    if (given.tasks() == null && !given.fidelity()) {
      throw new UsageException(
          "Cannot start: nothing is asked for; give --tasks and --lengths, or --fidelity and --input");
    }
    if ((given.tasks() == null) != (given.lengths() == null)) {
      throw new UsageException(
          "Cannot start: %s is missing; tasks need lengths, and lengths tasks"
              .formatted(given.tasks() == null ? "--tasks" : "--lengths"));
    }
    return new EvalOptions(
        values.required(RunOption.MODEL),
        given.tasks() == null ? List.of() : read("--tasks", given.tasks(), Task::parse),
        given.lengths() == null
            ? List.of()
            : list(
                "--lengths",
                given.lengths(),
                word -> number(word, 1, Integer.MAX_VALUE).intValue()),
        modes,
        given.samples(),
        list("--depths", given.depths(), word -> number(word, 0, 100) / 100),
        given.questions(),
        read("--wording", given.wording(), Wording::parse),
        given.texts(),
        given.seed(),
        read("--bos", values.required(RunOption.BOS), BosPolicy::of),
        RunOptions.compute(
            modes.get(0),
            values.text(RunOption.PATTERNS),
            read(
                RunOption.ROPE_FREQUENCIES.flag(),
                values.required(RunOption.ROPE_FREQUENCIES),
                RopeFrequencies::of),
            values),
        given.fidelity() ? fidelity(given, modes, values) : null,
        values.required(RunOption.OUTPUT),
        values.text(RunOption.MASTER));
  }

  private static Fidelity fidelity(Given given, List<String> modes, OptionValues values) {
    if (given.positions() < 1) {
      throw new UsageException(
          "Cannot use --positions %d: at least 1 is needed".formatted(given.positions()));
    }
    for (String mode : modes) {
      if (AttentionPlan.keepsLines(mode)) {
        throw new UsageException(
            "Cannot compare %s with dense attention by --fidelity: it takes the lines of a document that is not compared, and here all are; leave it out"
                .formatted(mode));
      }
    }
    return new Fidelity(RunOptions.input(values), RunOptions.tokens(values, 0), given.positions());
  }

  private static Double number(String word, int least, int most) {
    double value;
    try {
      value = least == 0 ? Double.parseDouble(word) : Integer.parseInt(word);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException("'" + word + "' is no number", e);
    }
    if (!(value >= least && value <= most)) {
      throw new IllegalArgumentException("%s is not from %,d to %,d".formatted(word, least, most));
    }
    return value;
  }

  private static <T> List<T> list(String option, String text, Function<String, T> element) {
    Set<T> all = new LinkedHashSet<>();
    for (String word : text.split(",", -1)) {
      if (word.isBlank()) {
        throw new UsageException(
            "Cannot use %s '%s': an entry is empty; entries stand between commas"
                .formatted(option, text));
      }
      all.add(read(option, word.strip(), element));
    }
    return new ArrayList<>(all);
  }

  private static <T> T read(String option, String text, Function<String, T> reader) {
    try {
      return reader.apply(text);
    } catch (IllegalArgumentException e) {
      throw new UsageException("Cannot use %s %s: %s".formatted(option, text, e.getMessage()), e);
    }
  }
}
