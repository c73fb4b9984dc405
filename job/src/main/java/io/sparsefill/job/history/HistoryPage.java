package io.sparsefill.job.history;

import io.sparsefill.job.output.RunSums;
import io.sparsefill.job.report.Axis;
import io.sparsefill.job.report.LineChart;
import io.sparsefill.job.report.Page;
import io.sparsefill.job.report.Part;
import io.sparsefill.job.report.Section;
import io.sparsefill.job.report.Series;
import io.sparsefill.job.report.Table;
import io.sparsefill.job.report.Unit;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.ToDoubleFunction;

/** A history as one page: charts over time, and a table of all runs, the newest first. */
public final class HistoryPage {
  private static final double SECONDS_PER_DAY = 86_400;

  private HistoryPage() {}

  /** The page. */
  public static Page of(History history) {
    RunSums totals = history.totals();
    String summary =
        "%s runs pre-filled %s documents of %s tokens; %s failed. Engines took %s hours, which cost %s at %s an hour."
            .formatted(
                Unit.COUNT.format(totals.runs()),
                Unit.COUNT.format(totals.ok()),
                Unit.COUNT.format(totals.tokens()),
                Unit.COUNT.format(totals.failed()),
                Unit.NUMBER.format(totals.engineSeconds() / 3600),
                Unit.NUMBER.format(history.cost(totals.engineSeconds())),
                Unit.NUMBER.format(history.pricePerHour()));
    List<Section> sections = new ArrayList<>();
    sections.add(
        new Section(
            "Over time",
            "A point for each run, at the day when it began. Runs that pre-filled nothing have no speed.",
            List.of(documents(history), speed(history), idle(history), cost(history))));
    if (!history.errors().isEmpty()) {
      sections.add(
          new Section(
              "Errors", "Failed documents of these runs, by kind.", List.of(errors(history))));
    }
    sections.add(new Section("Runs", "The newest first.", List.of(runs(history))));
    return new Page("Runs over " + history.output(), summary, sections);
  }

  private static Part documents(History history) {
    return chart(
        "Documents",
        Axis.linear("documents of a run", Unit.COUNT),
        List.of(
            series(history, "new", PastRun::added),
            series(history, "changed", run -> run.sums().changed()),
            series(history, "failed", run -> run.sums().failed())));
  }

  private static Part speed(History history) {
    return chart(
        "Speed",
        Axis.linear("tokens per second", Unit.NUMBER),
        List.of(series(history, "tokens per second", PastRun::tokensPerSecond)));
  }

  private static Part idle(History history) {
    return chart(
        "Idle engines",
        Axis.share("share of the engines' time"),
        List.of(series(history, "idle", PastRun::idle)));
  }

  private static Part cost(History history) {
    List<Series.Point> points = new ArrayList<>();
    double sum = history.earlier() == null ? 0 : history.cost(history.earlier().engineSeconds());
    for (PastRun run : history.runs()) {
      sum += run.cost(history.pricePerHour());
      points.add(new Series.Point(day(run), sum));
    }
    return chart(
        "Cost",
        Axis.linear("cost of all runs so far", Unit.NUMBER),
        List.of(new Series("cost", points)));
  }

  private static LineChart chart(String title, Axis y, List<Series> series) {
    return new LineChart(title, Axis.linear("day", Unit.DAY), y, series);
  }

  private static Series series(History history, String name, ToDoubleFunction<PastRun> value) {
    return new Series(
        name,
        history.runs().stream()
            .map(run -> new Series.Point(day(run), value.applyAsDouble(run)))
            .toList());
  }

  /** Days since 1970. */
  private static double day(PastRun run) {
    return Instant.parse(run.started()).toEpochMilli() / 1000.0 / SECONDS_PER_DAY;
  }

  private static Table errors(History history) {
    return new Table(
        "",
        List.of("error", "documents"),
        history.errors().entrySet().stream()
            .map(entry -> List.of(entry.getKey(), Unit.COUNT.format(entry.getValue())))
            .toList());
  }

  private static Table runs(History history) {
    List<List<String>> rows = new ArrayList<>();
    for (PastRun run : history.runs()) {
      rows.add(
          List.of(
              run.runId(),
              run.startedSecond(),
              run.ended(),
              Unit.COUNT.format(run.added()),
              Unit.COUNT.format(run.sums().changed()),
              run.sums().unchanged() == null ? "–" : Unit.COUNT.format(run.sums().unchanged()),
              Unit.COUNT.format(run.sums().failed()),
              Unit.COUNT.format(run.sums().tokens()),
              Unit.NUMBER.format(run.sums().seconds()),
              Unit.SHARE.format(run.idle()),
              Unit.NUMBER.format(run.tokensPerSecond()),
              Unit.COUNT.format(run.sums().bytes()),
              Unit.NUMBER.format(run.cost(history.pricePerHour()))));
    }
    Collections.reverse(rows);
    return new Table("", HistoryText.COLUMNS, rows);
  }
}
