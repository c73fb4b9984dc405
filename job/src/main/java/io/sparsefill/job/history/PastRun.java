package io.sparsefill.job.history;

import io.sparsefill.job.output.RunRecord;

/**
 * One run over an output folder.
 *
 * @param runId its name
 * @param command {@code run} or {@code retain}
 * @param started ISO-8601, UTC
 * @param state how it ended ({@link RunRecord#outcome}), or {@link #RUNNING}
 * @param sums what it did
 * @param engineSeconds wall time from the beginning of reading to the last commit, times the
 *     documents that could be pre-filled at once: one for each GPU, or task slot of the CPU; 0 of a
 *     run that pre-filled nothing
 * @param idle share of that in which no pre-fill ran; NaN where there is none
 */
public record PastRun(
    String runId,
    String command,
    String started,
    String state,
    RunRecord sums,
    double engineSeconds,
    double idle) {
  /** It has the folder's lock, and shows life. */
  public static final String RUNNING = "running";

  /** When it began, without parts of a second. */
  String startedSecond() {
    return started.replaceFirst("[.]\\d+", "");
  }

  /** How it ended, with its command unless that is {@code run}. */
  String ended() {
    return state + (command.equals("run") ? "" : " (" + command + ")");
  }

  /** Pre-filled documents of which the folder held no content. */
  public long added() {
    return sums.ok() - sums.changed();
  }

  /** Pre-filled tokens per second of wall time; NaN where none was. */
  public double tokensPerSecond() {
    return sums.tokens() > 0 && sums.seconds() > 0 ? sums.tokens() / sums.seconds() : Double.NaN;
  }

  /** What its engines' time costs. */
  public double cost(double pricePerHour) {
    return engineSeconds / 3600 * pricePerHour;
  }
}
