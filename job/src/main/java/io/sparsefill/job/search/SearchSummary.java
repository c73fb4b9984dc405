package io.sparsefill.job.search;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.List;

/**
 * What a search found.
 *
 * @param layers L
 * @param heads H
 * @param lengths of the samples, the longest first
 * @param modelMaxTokens what the model is made for
 * @param samples how many there were
 * @param scoredBefore how many of them an earlier call had scored
 * @param targetDensity what was aimed at, on the longest samples
 * @param levels densities that patterns were tried at; with several, heads share the target
 * @param density of the patterns chosen, mean over heads, on the longest samples
 * @param error of the patterns chosen, mean over heads, at the worst length of each
 * @param layerError what heads that share tiles keep small, mean over layers: the squared error of
 *     a layer's output, relative to it, over all queries and the last 64 added up
 * @param recall of the patterns chosen, mean over heads, on the longest samples
 * @param seconds wall time
 * @param output the pattern file
 * @param report folder of the scores
 */
public record SearchSummary(
    int layers,
    int heads,
    List<Integer> lengths,
    int modelMaxTokens,
    int samples,
    int scoredBefore,
    double targetDensity,
    List<Double> levels,
    double density,
    double error,
    double layerError,
    double recall,
    double seconds,
    Path output,
    Path report) {
  /** Lengths that the model is not made for: what is found there may say little. */
  public List<Integer> beyondModel() {
    return lengths.stream().filter(length -> length > modelMaxTokens).toList();
  }

  /** One line. */
  public String toJson() {
    ObjectNode json = new ObjectMapper().createObjectNode();
    json.put("layers", layers).put("heads", heads);
    lengths.forEach(json.putArray("lengths")::add);
    beyondModel().forEach(json.putArray("lengths_beyond_model")::add);
    json.put("samples", samples).put("scored_before", scoredBefore);
    json.put("target_density", targetDensity);
    levels.forEach(json.putArray("levels")::add);
    json.put("density", density);
    json.put("error", error).put("layer_error", layerError).put("recall", recall);
    json.put("seconds", Math.round(seconds * 10) / 10.0);
    json.put("output", output.toString()).put("report", report.toString());
    return json.toString();
  }
}
