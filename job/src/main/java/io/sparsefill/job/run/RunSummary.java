package io.sparsefill.job.run;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * What a run did.
 *
 * @param runId the run
 * @param ok documents pre-filled, those cut to {@code --max-tokens} among them
 * @param failed documents with an error row
 * @param skipped documents left out for their length
 * @param doneBefore documents of the input that an earlier run had finished
 * @param left documents not tried because the error rate was exceeded
 * @param tokens tokens pre-filled
 * @param seconds wall time
 * @param idle share of the engines' time, from the beginning of reading to the last commit, in
 *     which no pre-fill ran; null when none was begun
 * @param output output folder
 * @param changed documents among {@code ok} of which the output held another content
 * @param gone documents of the output that the input has no more; null when the input was not read
 *     to its end
 * @param errorRateExceeded whether the run ended because of {@code --max-error-rate}
 */
public record RunSummary(
    String runId,
    long ok,
    long failed,
    long skipped,
    long doneBefore,
    long left,
    long tokens,
    double seconds,
    Double idle,
    String output,
    long changed,
    Long gone,
    boolean errorRateExceeded) {

  /**
   * Failed documents over all documents of the input, finished ones included; 0 for an empty input.
   */
  public double errorRate() {
    long all = ok + failed + skipped + doneBefore + left;
    return all == 0 ? 0 : (double) failed / all;
  }

  /** Pre-filled tokens per second of wall time. */
  public double tokensPerSecond() {
    return seconds > 0 ? tokens / seconds : 0;
  }

  /** The one-line JSON that ends standard output. */
  public String toJson() {
    ObjectNode json = new ObjectMapper().createObjectNode();
    json.put("run_id", runId);
    json.putObject("documents").put("ok", ok).put("failed", failed).put("skipped", skipped);
    json.put("new", ok - changed).put("changed", changed).put("unchanged", doneBefore);
    if (gone != null) {
      json.put("gone", gone);
    }
    json.put("tokens", tokens);
    json.put("seconds", Math.round(seconds * 1000) / 1000.0);
    json.put("tokens_per_second", Math.round(tokensPerSecond() * 10) / 10.0);
    if (idle != null) {
      json.put("engine_idle", Math.round(idle * 1000) / 1000.0);
    }
    json.put("output", output);
    return json.toString();
  }
}
