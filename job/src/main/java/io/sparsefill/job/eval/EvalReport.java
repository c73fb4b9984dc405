package io.sparsefill.job.eval;

import io.sparsefill.job.eval.task.Task;
import io.sparsefill.job.report.Axis;
import io.sparsefill.job.report.HeatMap;
import io.sparsefill.job.report.LineChart;
import io.sparsefill.job.report.Page;
import io.sparsefill.job.report.Part;
import io.sparsefill.job.report.Scatter;
import io.sparsefill.job.report.Section;
import io.sparsefill.job.report.Series;
import io.sparsefill.job.report.Table;
import io.sparsefill.job.report.Text;
import io.sparsefill.job.report.Unit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;

/** The page of an evaluation. */
final class EvalReport {
  private static final String PPL = Task.PPL.label();

  private final EvalSummary summary;
  private final List<Integer> lengths;
  private final List<String> tasks;

  private EvalReport(EvalSummary summary) {
    this.summary = summary;
    this.lengths = summary.cells().stream().map(EvalCell::length).distinct().toList();
    this.tasks =
        summary.cells().stream()
            .map(EvalCell::task)
            .filter(task -> !task.equals(PPL))
            .distinct()
            .toList();
  }

  /**
   * The page.
   *
   * @param model name of the model
   */
  static Page of(EvalSummary summary, String model) {
    EvalReport report = new EvalReport(summary);
    List<Section> sections = new ArrayList<>();
    if (!report.tasks.isEmpty()) {
      sections.add(report.accuracy());
    }
    if (report.tasks.contains(Task.NEEDLE.label())) {
      sections.add(report.needles());
    }
    if (!summary.perplexities().isEmpty()) {
      sections.add(report.perplexity());
    }
    if (!summary.cells().isEmpty()) {
      sections.add(report.cost());
    }
    if (!summary.fidelity().isEmpty()) {
      sections.add(report.fidelity());
    }
    if (summary.failed() > 0) {
      sections.add(report.failures());
    }
    sections.add(report.settings());
    return new Page(
        "Attention modes of " + model,
        "%,d rows of samples and %,d of documents, %d modes, by %s; %d failed%s"
            .formatted(
                summary.samples(),
                summary.fidelity().stream().mapToInt(FidelityCell::documents).sum(),
                summary.modes().size(),
                summary.settings().get(EvalSettings.BACKEND),
                summary.failed(),
                report.beyond()),
        sections);
  }

  private String beyond() {
    return summary.beyondModel().isEmpty()
        ? ""
        : "; lengths with a * are beyond the %s tokens that the model is made for"
            .formatted(Unit.COUNT.format(summary.maxPositions()));
  }

  private String length(int tokens) {
    return Unit.TOKENS.format(tokens) + (tokens > summary.maxPositions() ? "*" : "");
  }

  private Optional<EvalCell> cell(String task, int length, String mode) {
    return summary.cells().stream()
        .filter(c -> c.task().equals(task) && c.length() == length && c.mode().equals(mode))
        .findFirst();
  }

  private double accuracy(String task, int length, String mode) {
    return cell(task, length, mode).map(EvalCell::accuracy).orElse(Double.NaN);
  }

  /** Mean over tasks that have a rate; each counts the same. */
  private double meanAccuracy(int length, String mode) {
    return tasks.stream()
        .mapToDouble(task -> accuracy(task, length, mode))
        .filter(rate -> !Double.isNaN(rate))
        .average()
        .orElse(Double.NaN);
  }

  private Section accuracy() {
    List<Part> parts = new ArrayList<>();
    for (int length : lengths) {
      List<String> head = new ArrayList<>(List.of("mode"));
      head.addAll(tasks);
      head.add("mean");
      parts.add(
          new Table(
              "Share of questions answered, " + length(length) + " tokens",
              head,
              rows(
                  mode -> {
                    List<String> row = new ArrayList<>();
                    tasks.forEach(task -> row.add(Unit.SHARE.format(accuracy(task, length, mode))));
                    row.add(Unit.SHARE.format(meanAccuracy(length, mode)));
                    return row;
                  })));
    }
    for (String task : tasks) {
      parts.add(
          new LineChart(
              task,
              Axis.logarithmic("tokens", Unit.TOKENS),
              Axis.share("share of questions answered"),
              perMode(mode -> points(length -> accuracy(task, length, mode)))));
    }
    return new Section(
        "Accuracy",
        "A question is answered when all tokens of its answer are the likeliest at their places."
            + " Samples that failed count as missed; a dash is a mode that was not asked or failed on all.",
        parts);
  }

  /** Cells of one mode. */
  private interface Cells {
    List<String> of(String mode);
  }

  private List<List<String>> rows(Cells cells) {
    List<List<String>> rows = new ArrayList<>();
    for (String mode : summary.modes()) {
      List<String> row = new ArrayList<>(List.of(mode));
      row.addAll(cells.of(mode));
      rows.add(row);
    }
    return rows;
  }

  /** Points of one mode. */
  private interface Points {
    List<Series.Point> of(String mode);
  }

  private List<Series> perMode(Points points) {
    return summary.modes().stream().map(mode -> new Series(mode, points.of(mode))).toList();
  }

  private List<Series.Point> points(ToDoubleFunction<Integer> value) {
    return lengths.stream()
        .map(length -> new Series.Point(length, value.applyAsDouble(length)))
        .toList();
  }

  private Section needles() {
    List<SampleRow> needles =
        summary.rows().stream().filter(row -> row.unit().task() == Task.NEEDLE).toList();
    List<Double> depths =
        new ArrayList<>(new TreeSet<>(needles.stream().map(row -> row.unit().depth()).toList()));
    List<Integer> columns = needles.stream().map(row -> row.unit().length()).distinct().toList();
    List<Part> maps = new ArrayList<>();
    for (String mode : summary.modes()) {
      List<List<Double>> values = new ArrayList<>();
      for (double depth : depths) {
        List<Double> row = new ArrayList<>();
        for (int length : columns) {
          row.add(
              EvalCell.of(
                      needles.stream()
                          .filter(r -> r.mode().equals(mode))
                          .filter(r -> r.unit().depth() == depth && r.unit().length() == length)
                          .toList())
                  .stream()
                  .mapToDouble(EvalCell::accuracy)
                  .findFirst()
                  .orElse(Double.NaN));
        }
        values.add(row);
      }
      maps.add(
          new HeatMap(
              mode,
              "tokens",
              columns.stream().map(this::length).toList(),
              "depth",
              depths.stream().map(Unit.SHARE::format).toList(),
              values,
              Unit.SHARE,
              0,
              1));
    }
    return new Section(
        "Needle", "Share of needles found, by their depth and the context's length.", maps);
  }

  private Section perplexity() {
    List<Part> parts = new ArrayList<>();
    List<Integer> measured =
        summary.perplexities().stream().map(PerplexityCell::length).distinct().toList();
    List<String> head = new ArrayList<>(List.of("mode"));
    measured.forEach(length -> head.add(length(length)));
    parts.add(
        new Table(
            "Perplexity over all positions",
            head,
            rows(
                mode ->
                    measured.stream()
                        .map(length -> Unit.NUMBER.format(summary.perplexity(length, mode)))
                        .toList())));
    for (int length : measured) {
      parts.add(
          new LineChart(
              "Perplexity by position, " + length(length) + " tokens",
              Axis.logarithmic("positions up to", Unit.TOKENS),
              Axis.linear("perplexity", Unit.NUMBER),
              perMode(
                  mode ->
                      summary.buckets().stream()
                          .filter(b -> b.length() == length && b.mode().equals(mode))
                          .map(b -> new Series.Point(b.to(), b.perplexity()))
                          .toList())));
    }
    return new Section(
        "Perplexity",
        "Of the texts' first tokens. Each point is a range of positions, from the point before it to"
            + " its own.",
        parts);
  }

  private Section cost() {
    List<Part> parts = new ArrayList<>();
    for (int length : lengths) {
      parts.add(
          new Table(
              "Cost, " + length(length) + " tokens",
              List.of("mode", "accuracy", "perplexity", "density", "seconds", "samples", "failed"),
              rows(mode -> costs(length, mode))));
    }
    if (!tasks.isEmpty()) {
      for (int length : lengths) {
        parts.add(
            new Scatter(
                "Accuracy by density, " + length(length) + " tokens",
                Axis.linear("density", Unit.SHARE),
                Axis.share("mean accuracy"),
                perMode(
                    mode ->
                        List.of(
                            new Series.Point(
                                mean(length, mode, EvalCell::density),
                                meanAccuracy(length, mode))))));
      }
    }
    return new Section(
        "Cost",
        "Density is score tiles computed by causal tiles. Seconds are those of the sparse pre-fill,"
            + " the mean of samples; where several tasks share a device, waiting is not in them.",
        parts);
  }

  private List<String> costs(int length, String mode) {
    List<EvalCell> cells =
        summary.cells().stream()
            .filter(cell -> cell.length() == length && cell.mode().equals(mode))
            .toList();
    return List.of(
        Unit.SHARE.format(meanAccuracy(length, mode)),
        Unit.NUMBER.format(summary.perplexity(length, mode)),
        Unit.SHARE.format(mean(length, mode, EvalCell::density)),
        Unit.NUMBER.format(mean(length, mode, EvalCell::seconds)),
        Unit.COUNT.format(cells.stream().mapToInt(EvalCell::samples).sum()),
        Unit.COUNT.format(cells.stream().mapToInt(EvalCell::failed).sum()));
  }

  private double mean(int length, String mode, ToDoubleFunction<EvalCell> value) {
    return summary.cells().stream()
        .filter(cell -> cell.length() == length && cell.mode().equals(mode))
        .mapToDouble(value)
        .filter(number -> !Double.isNaN(number))
        .average()
        .orElse(Double.NaN);
  }

  private Section fidelity() {
    List<Series> errors = new ArrayList<>();
    List<Series> byDensity = new ArrayList<>();
    for (FidelityCell cell : summary.fidelity()) {
      errors.add(new Series(cell.mode(), layerErrors(cell.mode())));
      byDensity.add(
          new Series(cell.mode(), List.of(new Series.Point(cell.density(), cell.klMean()))));
    }
    return new Section(
        "Fidelity",
        "Of documents, against dense attention: share of positions with the same likeliest next token,"
            + " KL divergence of its distribution in nats, perplexity of all tokens, and the relative error"
            + " of each layer's attention output, by itself on dense queries, keys and values. Documents"
            + " that failed are in none of the means.",
        List.of(
            new Table(
                "Modes",
                EvalSummary.FIDELITY,
                summary.fidelity().stream().map(EvalSummary::fidelityValues).toList()),
            new Scatter(
                "KL divergence by density",
                Axis.linear("density", Unit.SHARE),
                Axis.logarithmic("mean KL divergence, nats", Unit.NUMBER),
                byDensity),
            new LineChart(
                "Error of the attention's output by layer",
                Axis.linear("layer", Unit.COUNT),
                Axis.linear("relative error", Unit.NUMBER),
                errors)));
  }

  /** Mean over documents. */
  private List<Series.Point> layerErrors(String mode) {
    Map<Integer, Double> means =
        summary.layers().stream()
            .filter(row -> row.mode().equals(mode))
            .collect(
                Collectors.groupingBy(
                    LayerRow::layer, TreeMap::new, Collectors.averagingDouble(LayerRow::error)));
    return means.entrySet().stream()
        .map(entry -> new Series.Point(entry.getKey(), entry.getValue()))
        .toList();
  }

  private Section failures() {
    List<List<String>> rows =
        summary.rows().stream()
            .filter(SampleRow::failed)
            .map(row -> List.of(row.unit().id(), row.mode(), row.error()))
            .collect(Collectors.toCollection(ArrayList::new));
    summary.failures().forEach(row -> rows.add(List.of(row.docId(), row.mode(), row.error())));
    return new Section(
        "Failed samples",
        "The same command asks them again.",
        List.of(new Table("", List.of("sample", "mode", "error"), rows)));
  }

  private Section settings() {
    List<List<String>> rows = new ArrayList<>();
    for (Map.Entry<String, String> setting : summary.settings().entrySet()) {
      rows.add(List.of(setting.getKey(), setting.getValue()));
    }
    return new Section(
        "Settings",
        "",
        List.of(
            new Table("", List.of("setting", "value"), rows),
            new Text("Rows: samples and perplexity (Parquet) beside this page.")));
  }
}
