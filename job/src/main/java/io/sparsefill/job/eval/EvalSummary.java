package io.sparsefill.job.eval;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparsefill.job.TextTable;
import io.sparsefill.job.report.Unit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What an evaluation found, over all rows of its folder.
 *
 * @param output the folder
 * @param settings of all rows
 * @param maxPositions tokens that the model is made for
 * @param modes of the command first, then others that are stored
 * @param rows by length, task, sample and mode
 * @param cells by length, task and mode
 * @param perplexities over all positions, by length and mode
 * @param buckets the same by position
 * @param fidelity by mode
 * @param layers what that says of each layer
 * @param failures of fidelity
 * @param computed how many rows this command made
 * @param seconds that it took
 */
record EvalSummary(
    String output,
    Map<String, String> settings,
    int maxPositions,
    List<String> modes,
    List<SampleRow> rows,
    List<EvalCell> cells,
    List<PerplexityCell> perplexities,
    List<PerplexityCell> buckets,
    List<FidelityCell> fidelity,
    List<LayerRow> layers,
    List<FidelityRow> failures,
    int computed,
    double seconds) {

  /**
   * Of the rows of a folder.
   *
   * @param asked modes of the command
   */
  static EvalSummary of(
      EvalFolder folder,
      Map<String, String> settings,
      int maxPositions,
      List<String> asked,
      EvalResults results,
      int computed,
      double seconds) {
    Set<String> all = new LinkedHashSet<>(asked);
    results.samples().forEach(row -> all.add(row.mode()));
    results.fidelity().forEach(row -> all.add(row.mode()));
    List<String> modes = new ArrayList<>(all);
    List<SampleRow> rows =
        results.samples().stream()
            .sorted(
                Comparator.comparingInt((SampleRow row) -> row.unit().length())
                    .thenComparing(row -> row.unit().task())
                    .thenComparingInt(row -> modes.indexOf(row.mode())))
            .toList();
    List<BucketRow> buckets =
        results.buckets().stream()
            .sorted(
                Comparator.comparingInt((BucketRow row) -> row.unit().length())
                    .thenComparingInt(row -> modes.indexOf(row.mode()))
                    .thenComparingInt(BucketRow::from))
            .toList();
    return new EvalSummary(
        folder.path(),
        settings,
        maxPositions,
        modes,
        rows,
        EvalCell.of(rows),
        PerplexityCell.whole(buckets),
        PerplexityCell.byBucket(buckets),
        FidelityCell.of(results.fidelity(), modes),
        results.layers(),
        results.fidelity().stream().filter(FidelityRow::failed).toList(),
        computed,
        seconds);
  }

  /** Samples and documents that have an error, over all modes. */
  int failed() {
    return cells.stream().mapToInt(EvalCell::failed).sum() + failures.size();
  }

  /** Rows. */
  int samples() {
    return cells.stream().mapToInt(EvalCell::samples).sum();
  }

  /** Lengths that the model is not made for. */
  List<Integer> beyondModel() {
    return cells.stream()
        .map(EvalCell::length)
        .filter(length -> length > maxPositions)
        .distinct()
        .toList();
  }

  /** Perplexity over all positions; NaN where there is none. */
  double perplexity(int length, String mode) {
    return perplexities.stream()
        .filter(cell -> cell.length() == length && cell.mode().equals(mode))
        .mapToDouble(PerplexityCell::perplexity)
        .findFirst()
        .orElse(Double.NaN);
  }

  /** One line of totals. */
  ObjectNode totals() {
    ObjectNode json = new ObjectMapper().createObjectNode();
    json.put("samples", samples()).put("failed", failed()).put("computed", computed);
    json.put("documents", fidelity.stream().mapToInt(FidelityCell::documents).sum());
    json.put("seconds", Math.round(seconds * 10) / 10.0);
    json.put("output", output);
    return json;
  }

  /** All of it. */
  ObjectNode toJson() {
    ObjectNode json = totals();
    ObjectNode ofRows = json.putObject("settings");
    settings.forEach(ofRows::put);
    json.put("model_max_tokens", maxPositions);
    ArrayNode beyond = json.putArray("lengths_beyond_model");
    beyondModel().forEach(beyond::add);
    ArrayNode all = json.putArray("cells");
    for (EvalCell cell : cells) {
      ObjectNode node = all.addObject();
      node.put("task", cell.task()).put("length", cell.length()).put("mode", cell.mode());
      node.put("samples", cell.samples()).put("failed", cell.failed());
      node.put("questions", cell.questions()).put("hits", cell.hits());
      number(node, "accuracy", cell.accuracy());
      number(node, "answers_found", cell.answersFound());
      number(node, "density", cell.density());
      number(node, "seconds", cell.seconds());
    }
    perplexities(json.putArray("perplexity"), perplexities);
    perplexities(json.putArray("perplexity_by_position"), buckets);
    ArrayNode compared = json.putArray("fidelity");
    for (FidelityCell cell : fidelity) {
      ObjectNode node = compared.addObject();
      node.put("mode", cell.mode()).put("documents", cell.documents());
      node.put("failed", cell.failed());
      number(node, "top1_agreed", cell.agreed());
      number(node, "top1_last", cell.lastAgreed());
      number(node, "kl_last", cell.klLast());
      number(node, "kl_mean", cell.klMean());
      number(node, "kl_max", cell.klMax());
      number(node, "perplexity", cell.perplexity());
      number(node, "layer_error", cell.layerError());
      number(node, "recall", cell.recall());
      number(node, "density", cell.density());
      number(node, "seconds", cell.seconds());
    }
    return json;
  }

  private static void perplexities(ArrayNode array, List<PerplexityCell> cells) {
    for (PerplexityCell cell : cells) {
      ObjectNode node = array.addObject();
      node.put("length", cell.length()).put("mode", cell.mode());
      node.put("from", cell.from()).put("to", cell.to()).put("tokens", cell.tokens());
      number(node, "perplexity", cell.perplexity());
    }
  }

  /** JSON has no NaN and no infinity. */
  private static void number(ObjectNode node, String name, double value) {
    if (Double.isFinite(value)) {
      node.put(name, value);
    } else {
      node.putNull(name);
    }
  }

  /** For people. */
  TextTable table() {
    TextTable table =
        new TextTable(
            "task", "tokens", "mode", "hits", "perplexity", "density", "seconds", "failed");
    for (EvalCell cell : cells) {
      boolean ppl = cell.task().equals("ppl");
      table.add(
          cell.task(),
          Unit.TOKENS.format(cell.length()),
          cell.mode(),
          ppl ? "" : "%s of %d".formatted(Unit.SHARE.format(cell.accuracy()), cell.questions()),
          ppl ? Unit.NUMBER.format(perplexity(cell.length(), cell.mode())) : "",
          Unit.SHARE.format(cell.density()),
          Unit.NUMBER.format(cell.seconds()),
          cell.failed());
    }
    return table;
  }

  /** Fidelity for people. */
  TextTable fidelityTable() {
    TextTable table = new TextTable(FIDELITY.toArray(String[]::new));
    fidelity.forEach(cell -> table.add(fidelityValues(cell).toArray()));
    return table;
  }

  /** Heads of what {@link #fidelityValues} gives. */
  static final List<String> FIDELITY =
      List.of(
          "mode",
          "documents",
          "failed",
          "same top 1",
          "of last",
          "KL last",
          "KL mean",
          "KL max",
          "perplexity",
          "layer error",
          "recall",
          "density",
          "seconds");

  /** A mode's fidelity as text. */
  static List<String> fidelityValues(FidelityCell cell) {
    return List.of(
        cell.mode(),
        Unit.COUNT.format(cell.documents()),
        Unit.COUNT.format(cell.failed()),
        Unit.SHARE.format(cell.agreed()),
        Unit.SHARE.format(cell.lastAgreed()),
        Unit.NUMBER.format(cell.klLast()),
        Unit.NUMBER.format(cell.klMean()),
        Unit.NUMBER.format(cell.klMax()),
        Unit.NUMBER.format(cell.perplexity()),
        Unit.NUMBER.format(cell.layerError()),
        Unit.SHARE.format(cell.recall()),
        Unit.SHARE.format(cell.density()),
        Unit.NUMBER.format(cell.seconds()));
  }
}
