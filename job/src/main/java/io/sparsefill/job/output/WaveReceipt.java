package io.sparsefill.job.output;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.io.IOException;
import java.util.Map;

/**
 * A run and one of its waves, as the documents file of the wave carries them.
 *
 * @param runId the run
 * @param runStarted when it began, ISO-8601, UTC
 * @param settings where it came from
 * @param wave without its documents file, which is not whole when this is written into it
 * @param throughput of the run up to this wave; null when nothing was measured
 * @param replaced the wave of which this one has what stays; null of a wave that was pre-filled
 */
record WaveReceipt(
    String runId,
    String runStarted,
    Map<String, String> settings,
    Manifest.Wave wave,
    @JsonInclude(JsonInclude.Include.NON_NULL) Throughput throughput,
    @JsonInclude(JsonInclude.Include.NON_NULL) Replaced replaced) {

  /**
   * A wave that is no more part of the output once the receipt's is.
   *
   * @param runId its run
   * @param wave its number
   * @param graceSeconds see {@link Manifest.Retired}
   */
  record Replaced(String runId, int wave, long graceSeconds) {}

  String json() {
    return Manifest.write(this);
  }

  static WaveReceipt parse(String json) throws IOException {
    return Manifest.JSON.readValue(json, WaveReceipt.class);
  }
}
