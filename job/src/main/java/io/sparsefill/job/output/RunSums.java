package io.sparsefill.job.output;

/**
 * Sums over runs.
 *
 * @param runs how many
 * @param from when the first began, ISO-8601, UTC
 * @param to when the last began
 * @param ok pre-filled documents
 * @param failed failed ones
 * @param tokens pre-filled
 * @param bytes of committed files
 * @param seconds wall time
 * @param engineSeconds wall time times engines, see {@link Throughput}
 */
public record RunSums(
    long runs,
    String from,
    String to,
    long ok,
    long failed,
    long tokens,
    long bytes,
    double seconds,
    double engineSeconds) {
  /** Of no runs. */
  public static final RunSums NONE = new RunSums(0, null, null, 0, 0, 0, 0, 0, 0);

  /** With one more run, the newest. */
  public RunSums plus(String started, RunRecord run, double engines) {
    return new RunSums(
        runs + 1,
        from == null ? started : from,
        started,
        ok + run.ok(),
        failed + run.failed(),
        tokens + run.tokens(),
        bytes + run.bytes(),
        seconds + run.seconds(),
        engineSeconds + engines);
  }
}
