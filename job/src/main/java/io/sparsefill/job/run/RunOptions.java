package io.sparsefill.job.run;

import io.sparsefill.job.InputFormat;
import io.sparsefill.job.InputOptions;
import io.sparsefill.job.OnTooLong;
import io.sparsefill.job.output.KvCompression;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.BackendChoice;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.model.RopeFrequencies;
import io.sparsefill.udf.text.BosPolicy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * The options of a run, checked one by one; {@link RunOption} says what each means.
 *
 * @param model folder of the checkpoint
 * @param input what is read
 * @param tokens how text becomes tokens
 * @param compute how tokens are pre-filled
 * @param output what is written
 * @param limits when a wave and when a run ends
 * @param retain what the output keeps afterwards
 * @param dryRun only plan
 * @param master Spark master of an embedded session, or null
 */
public record RunOptions(
    String model,
    InputOptions input,
    Tokens tokens,
    Compute compute,
    Output output,
    Limits limits,
    Retain retain,
    boolean dryRun,
    String master) {

  /**
   * How text becomes tokens.
   *
   * @param bos whether a begin-of-text token is put in front
   * @param maxTokens longest document, 0 for the model's own bound
   * @param onTooLong what becomes of a longer one
   * @param maxNewTokens tokens that an answer may have; 0 when nothing is asked
   */
  public record Tokens(BosPolicy bos, int maxTokens, OnTooLong onTooLong, int maxNewTokens) {}

  /**
   * How tokens are pre-filled.
   *
   * @param attention {@code --attention} as given
   * @param patterns MInference pattern file, or null
   * @param backend auto, cpu or cuda
   * @param requireGpu whether a run on the CPU is refused
   * @param weights resident or stream
   * @param ropeFrequencies precision of the rotary frequencies
   */
  public record Compute(
      String attention,
      String patterns,
      String backend,
      boolean requireGpu,
      String weights,
      RopeFrequencies ropeFrequencies) {}

  /**
   * What is written.
   *
   * @param path output folder; null in a plan
   * @param emit what is computed and stored
   * @param lastPositions rows of logits per document
   * @param topK entries of {@code top}
   * @param fullLogits whole rows of logits as well
   * @param kvDtype element type of keys and values
   * @param blockTokens tokens of a KV block
   * @param kvCompression zstd or uncompressed
   * @param writerThreads of the kv table
   * @param breakLock run whose lock on the folder may be broken, or null
   */
  public record Output(
      String path,
      Set<Emit> emit,
      int lastPositions,
      int topK,
      boolean fullLogits,
      KvDtype kvDtype,
      int blockTokens,
      KvCompression kvCompression,
      WriterThreads writerThreads,
      String breakLock) {
    /** With an unmodifiable set of outputs. */
    public Output {
      emit = Set.copyOf(emit);
    }
  }

  /**
   * When a wave and when a run ends.
   *
   * @param waveSeconds predicted seconds of a wave
   * @param maxErrorRate share of failed documents above which the run ends
   * @param strict whether any failed document shows in the exit code
   */
  public record Limits(double waveSeconds, double maxErrorRate, boolean strict) {}

  /**
   * What an output keeps after a run.
   *
   * @param superseded whether contents that are not a document's newest go
   * @param unlisted whether documents that the input has no more go too
   * @param grace how long readers may go on with what they have begun
   */
  public record Retain(boolean superseded, boolean unlisted, Duration grace) {}

  /** The same options with a backend that is decided. */
  public RunOptions on(BackendChoice backend) {
    Compute decided =
        new Compute(
            compute.attention(),
            compute.patterns(),
            backend.name(),
            compute.requireGpu(),
            compute.weights(),
            compute.ropeFrequencies());
    return new RunOptions(model, input, tokens, decided, output, limits, retain, dryRun, master);
  }

  /**
   * Reads all options of a run or a plan.
   *
   * @throws UsageException for a missing option or a value that is not accepted, naming it as it
   *     was given
   */
  public static RunOptions of(OptionValues values) {
    boolean dryRun = values.isOn(RunOption.DRY_RUN);
    Output output = output(values, dryRun);
    boolean answers = answers(values, output);
    return new RunOptions(
        values.required(RunOption.MODEL),
        input(values),
        tokens(values, answers ? values.integer(RunOption.MAX_NEW_TOKENS, 1) : 0),
        compute(
            values.required(RunOption.ATTENTION),
            values.text(RunOption.PATTERNS),
            values.read(RunOption.ROPE_FREQUENCIES, RopeFrequencies::of),
            values),
        output,
        new Limits(
            values.number(RunOption.WAVE_SECONDS, 0.001, 1e9),
            values.number(RunOption.MAX_ERROR_RATE, 0, 1),
            values.isOn(RunOption.STRICT)),
        retain(values),
        dryRun,
        values.text(RunOption.MASTER));
  }

  /**
   * How text becomes tokens.
   *
   * @param maxNewTokens tokens that an answer may have; 0 when nothing is asked
   */
  public static Tokens tokens(OptionValues values, int maxNewTokens) {
    return new Tokens(
        values.read(RunOption.BOS, BosPolicy::of),
        values.integer(RunOption.MAX_TOKENS, 0),
        values.choice(
            RunOption.ON_TOO_LONG,
            Arrays.stream(OnTooLong.values()).map(OnTooLong::label).toList(),
            word -> OnTooLong.valueOf(word.toUpperCase(Locale.ROOT))),
        maxNewTokens);
  }

  /** How to pre-fill: what decides numbers as said here, backend and weights as given. */
  public static Compute compute(
      String attention, String patterns, RopeFrequencies frequencies, OptionValues values) {
    return new Compute(
        attention,
        patterns,
        values.choice(RunOption.BACKEND, List.of("auto", "cpu", "cuda"), word -> word),
        values.isOn(RunOption.REQUIRE_GPU),
        values.choice(RunOption.WEIGHTS, List.of("resident", "stream"), word -> word),
        frequencies);
  }

  /** Which documents are read. */
  public static InputOptions input(OptionValues values) {
    List<String> formats = new ArrayList<>(List.of("auto"));
    for (InputFormat format : InputFormat.values()) {
      formats.add(format.label());
    }
    String format = values.choice(RunOption.FORMAT, formats, word -> word);
    try {
      return new InputOptions(
          values.required(RunOption.INPUT),
          format.equals("auto") ? null : format,
          values.required(RunOption.ID_COLUMN),
          values.required(RunOption.TEXT_COLUMN),
          values.required(RunOption.TOKENS_COLUMN),
          values.integer(RunOption.LIMIT, 1),
          values.text(RunOption.QUESTION_COLUMN));
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
  }

  private static Retain retain(OptionValues values) {
    String what = values.choice(RunOption.RETAIN, List.of("all", "newest", "listed"), word -> word);
    if (what.equals("listed") && values.text(RunOption.LIMIT) != null) {
      throw new UsageException(
          "Cannot use --retain listed with --limit %s: documents behind the limit would go; leave one of them out"
              .formatted(values.text(RunOption.LIMIT)));
    }
    return new Retain(!what.equals("all"), what.equals("listed"), grace(values));
  }

  /** How long readers may go on with what was taken out of an output. */
  public static Duration grace(OptionValues values) {
    return Duration.ofSeconds(Math.round(3600 * values.number(RunOption.GRACE_HOURS, 0, 1e6)));
  }

  /** Whether questions are asked; they need both the column and the output. */
  private static boolean answers(OptionValues values, Output output) {
    boolean answers = output.emit().contains(Emit.ANSWER);
    String column = values.text(RunOption.QUESTION_COLUMN);
    if (answers && column == null) {
      throw new UsageException(
          "Cannot use --emit %s: answer needs questions; name their column with --question-column"
              .formatted(values.text(RunOption.EMIT)));
    }
    if (!answers && column != null) {
      throw new UsageException(
          "Cannot use --question-column %s: --emit %s has no answer; add it or leave the column out"
              .formatted(column, values.text(RunOption.EMIT)));
    }
    return answers;
  }

  private static Output output(OptionValues values, boolean dryRun) {
    Set<Emit> emit = values.read(RunOption.EMIT, Emit::parse);
    boolean fullLogits = values.isOn(RunOption.FULL_LOGITS);
    if (fullLogits && !emit.contains(Emit.LOGITS)) {
      throw new UsageException(
          "Cannot use --full-logits: --emit "
              + values.text(RunOption.EMIT)
              + " has no logits; add them or leave it out");
    }
    return new Output(
        dryRun ? values.text(RunOption.OUTPUT) : values.required(RunOption.OUTPUT),
        emit,
        values.integer(RunOption.LAST_POSITIONS, 1),
        values.integer(RunOption.TOP_K, 1),
        fullLogits,
        values.read(RunOption.KV_DTYPE, KvDtype::of),
        values.integer(RunOption.BLOCK_TOKENS, 1),
        values.read(RunOption.KV_COMPRESSION, KvCompression::of),
        values.read(RunOption.WRITER_THREADS, WriterThreads::of),
        values.text(RunOption.BREAK_LOCK));
  }
}
