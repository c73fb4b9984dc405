package io.sparsefill.job.history;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparsefill.job.TextTable;
import io.sparsefill.job.output.RunSums;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** A history as lines of text, and as one line of JSON. */
public final class HistoryText {
  /** What is told of each run, in text and on the page. */
  static final List<String> COLUMNS =
      List.of(
          "run",
          "started",
          "ended",
          "new",
          "changed",
          "unchanged",
          "failed",
          "tokens",
          "seconds",
          "idle",
          "tokens/s",
          "bytes",
          "cost");

  private HistoryText() {}

  /** A row for each run, then errors by kind and the sums. */
  public static List<String> lines(History history) {
    TextTable table = new TextTable(COLUMNS.toArray(String[]::new));
    for (PastRun run : history.runs()) {
      boolean prefilled = run.sums().tokens() > 0;
      table.add(
          run.runId(),
          run.startedSecond(),
          run.ended(),
          format("%,d", run.added()),
          format("%,d", run.sums().changed()),
          run.sums().unchanged() == null ? "-" : format("%,d", run.sums().unchanged()),
          format("%,d", run.sums().failed()),
          format("%,d", run.sums().tokens()),
          format("%,.1f", run.sums().seconds()),
          Double.isNaN(run.idle()) ? "-" : format("%.1f %%", 100 * run.idle()),
          prefilled ? format("%,.0f", run.tokensPerSecond()) : "-",
          format("%,d", run.sums().bytes()),
          format("%,.2f", run.cost(history.pricePerHour())));
    }
    List<String> lines = new ArrayList<>(table.lines());
    lines.add("");
    history
        .errors()
        .forEach((kind, count) -> lines.add(format("error: %,d times %s", count, kind)));
    if (history.earlier() != null) {
      lines.add(
          format(
              "%,d earlier runs, from %s to %s, are kept as sums only.",
              history.earlier().runs(), history.earlier().from(), history.earlier().to()));
    }
    RunSums totals = history.totals();
    lines.add(
        format(
            "%,d runs: %,d documents pre-filled, %,d failed; %,d tokens in %,.1f s; %,.2f engine hours, %,.2f at %s an hour.",
            totals.runs(),
            totals.ok(),
            totals.failed(),
            totals.tokens(),
            totals.seconds(),
            totals.engineSeconds() / 3600,
            history.cost(totals.engineSeconds()),
            history.pricePerHour()));
    return lines;
  }

  /** The sums, and {@code history} with an object for each run. */
  public static ObjectNode json(History history) {
    RunSums totals = history.totals();
    ObjectNode json = new ObjectMapper().createObjectNode();
    json.put("runs", totals.runs());
    json.putObject("documents").put("ok", totals.ok()).put("failed", totals.failed());
    json.put("tokens", totals.tokens());
    json.put("seconds", rounded(totals.seconds()));
    json.put("bytes", totals.bytes());
    json.put("engine_hours", rounded(totals.engineSeconds() / 3600));
    json.put("gpu_price", history.pricePerHour());
    json.put("cost", rounded(history.cost(totals.engineSeconds())));
    ArrayNode runs = json.putArray("history");
    for (PastRun run : history.runs()) {
      ObjectNode row = runs.addObject();
      row.put("run_id", run.runId()).put("command", run.command());
      row.put("started", run.started()).put("ended", run.sums().ended()).put("state", run.state());
      row.put("new", run.added()).put("changed", run.sums().changed());
      row.put("unchanged", run.sums().unchanged()).put("failed", run.sums().failed());
      row.put("tokens", run.sums().tokens()).put("seconds", rounded(run.sums().seconds()));
      row.put("bytes", run.sums().bytes());
      if (!Double.isNaN(run.idle())) {
        row.put("engine_idle", rounded(run.idle()));
      }
      row.put("engine_hours", rounded(run.engineSeconds() / 3600));
      row.put("cost", rounded(run.cost(history.pricePerHour())));
      ObjectNode errors = row.putObject("errors");
      run.sums().errors().forEach(errors::put);
    }
    json.put("output", history.output());
    return json;
  }

  private static double rounded(double value) {
    return Math.round(value * 10_000) / 10_000.0;
  }

  private static String format(String pattern, Object... values) {
    return String.format(Locale.ROOT, pattern, values);
  }
}
