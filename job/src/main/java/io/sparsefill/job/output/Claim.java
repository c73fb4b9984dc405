package io.sparsefill.job.output;

/**
 * Who asks for the right to write to an output folder.
 *
 * @param command the command that runs, for whoever finds the folder locked
 * @param application Spark's id of it; may be empty
 * @param breakLock run whose lock may be broken though its owner's end is not certain; null for
 *     none
 */
public record Claim(String command, String application, String breakLock) {
  /** A claim that breaks no lock. */
  public static Claim of(String command, String application) {
    return new Claim(command, application, null);
  }
}
