package io.sparsefill.job.search;

import io.sparsefill.job.report.Axis;
import io.sparsefill.job.report.HeadMap;
import io.sparsefill.job.report.Page;
import io.sparsefill.job.report.Scatter;
import io.sparsefill.job.report.Section;
import io.sparsefill.job.report.Series;
import io.sparsefill.job.report.Table;
import io.sparsefill.job.report.Unit;
import io.sparsefill.kernels.attention.PatternTable;
import io.sparsefill.udf.search.Budget;
import io.sparsefill.udf.search.Candidate;
import io.sparsefill.udf.search.PatternChoice;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;

/**
 * The page of a search: which pattern each head got, and how near it comes to dense attention.
 *
 * @param summary of the search
 * @param choice what each head got
 * @param candidates what was tried
 * @param budget how many tiles there were
 */
record SearchPage(
    SearchSummary summary, PatternChoice choice, List<Candidate> candidates, Budget budget) {
  private static final String ERRORS =
      "Error: of the attention's output against dense, relative, over all queries or the last 64, whichever is"
          + " larger, mean over samples at the worst length."
          + " Recall: share of the dense attention weights on the keys that are computed.";

  /** The page, for the model of a folder. */
  Page page(Path model) {
    List<Section> sections = new ArrayList<>();
    sections.add(
        new Section(
            "Patterns by head",
            "The candidate that each head got; its sizes and density are those on the longest samples.",
            List.of(heads())));
    sections.add(
        new Section(
            "Candidates",
            ERRORS,
            List.of(table("candidate", HeadTotal.byCandidate(choice, candidates)))));
    if (budget.shared()) {
      sections.add(
          new Section(
              "Shared tiles",
              "The densities that candidates were tried at, and how many heads got a pattern of each. Tiles went where they"
                  + " lower the squared error of a layer's output most, relative to that output, over all queries and the"
                  + " last 64 added up; it is %s, mean over layers."
                      .formatted(Unit.NUMBER.format(summary.layerError())),
              List.of(table("level", HeadTotal.byLevel(choice, budget)))));
    }
    sections.add(
        new Section(
            "How near to dense",
            "A point for each head, by the candidate that it got.",
            List.of(
                new Scatter(
                    "Error by density",
                    Axis.linear("computed share of the causal tiles", Unit.SHARE),
                    Axis.linear("error of the output", Unit.NUMBER),
                    series(PatternChoice.Chosen::density)),
                new Scatter(
                    "Error by recall",
                    Axis.linear("recall of attention weights", Unit.SHARE),
                    Axis.linear("error of the output", Unit.NUMBER),
                    series(PatternChoice.Chosen::recall)))));
    return new Page(
        "Patterns of " + model.getFileName(),
        "%s heads of %s layers, %s samples of %s tokens; target: %s of the causal tiles %s on the longest samples."
                .formatted(
                    Unit.COUNT.format((double) summary.layers() * summary.heads()),
                    Unit.COUNT.format(summary.layers()),
                    Unit.COUNT.format(summary.samples()),
                    summary.lengths().stream()
                        .map(length -> Unit.COUNT.format(length) + mark(length))
                        .collect(Collectors.joining(" and ")),
                    Unit.SHARE.format(summary.targetDensity()),
                    budget.shared() ? "in the mean of all heads" : "for each head")
            + beyond(),
        sections);
  }

  private String mark(int length) {
    return summary.beyondModel().contains(length) ? "*" : "";
  }

  private String beyond() {
    return summary.beyondModel().isEmpty()
        ? ""
        : " Lengths with a * are beyond the %s tokens that the model is made for."
            .formatted(Unit.COUNT.format(summary.modelMaxTokens()));
  }

  private HeadMap heads() {
    List<List<HeadMap.Head>> layers = new ArrayList<>();
    for (int l = 0; l < choice.layers(); l++) {
      List<HeadMap.Head> heads = new ArrayList<>();
      for (PatternChoice.Chosen chosen : choice.layer(l)) {
        Candidate candidate = chosen.trial().candidate();
        PatternTable.Entry entry = candidate.entry(chosen.size(), chosen.error());
        String sizes =
            candidate.kind() == Candidate.Kind.BLOCK_SPARSE
                ? Integer.toString(entry.first())
                : entry.first() + ":" + entry.second();
        heads.add(new HeadMap.Head(candidate.name(), chosen.density(), sizes));
      }
      layers.add(heads);
    }
    return new HeadMap("Candidate and density of each head", layers);
  }

  private static Table table(String first, List<HeadTotal> totals) {
    return new Table(
        "",
        List.of(first, "heads", "density", "error", "recall"),
        totals.stream()
            .map(
                total ->
                    List.of(
                        total.name(),
                        Unit.COUNT.format(total.heads()),
                        Unit.SHARE.format(total.density()),
                        Unit.NUMBER.format(total.error()),
                        Unit.SHARE.format(total.recall())))
            .toList());
  }

  private List<Series> series(ToDoubleFunction<PatternChoice.Chosen> x) {
    List<Series> series = new ArrayList<>();
    for (Candidate candidate : candidates) {
      List<Series.Point> points = new ArrayList<>();
      for (int l = 0; l < choice.layers(); l++) {
        for (int h = 0; h < choice.layer(l).size(); h++) {
          PatternChoice.Chosen chosen = choice.layer(l).get(h);
          if (chosen.trial().candidate().equals(candidate)) {
            points.add(
                new Series.Point(
                    x.applyAsDouble(chosen), chosen.error(), "layer %d, head %d".formatted(l, h)));
          }
        }
      }
      if (!points.isEmpty()) {
        series.add(new Series(candidate.name(), points));
      }
    }
    return series;
  }
}
