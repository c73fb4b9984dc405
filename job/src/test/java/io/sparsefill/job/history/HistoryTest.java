package io.sparsefill.job.history;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparsefill.job.output.RunRecord;
import io.sparsefill.job.output.RunSums;
import java.io.IOException;
import java.io.StringReader;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import javax.xml.parsers.DocumentBuilderFactory;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.xml.sax.InputSource;

/** Oracles: sums by hand, and a parser of XML for the page. */
class HistoryTest {
  private static PastRun run(int day, long ok, long changed, long failed, double engineSeconds) {
    Instant started = Instant.parse("2026-03-01T02:00:00Z").plus(Duration.ofDays(day));
    long tokens = ok * 32_768;
    Map<String, Long> documents = Map.of("ok", ok, "failed", failed);
    Map<String, Long> errors = failed == 0 ? Map.of() : Map.of("it is <empty>", failed);
    return new PastRun(
        "run-" + day,
        "run",
        started.toString(),
        RunRecord.DONE,
        new RunRecord(
            started.plusSeconds(100).toString(),
            RunRecord.DONE,
            documents,
            changed,
            1000L,
            tokens,
            tokens * 1000,
            100,
            errors),
        engineSeconds,
        ok == 0 ? Double.NaN : 0.1);
  }

  /** A run each day, one of them with nothing to do. */
  private static History history() {
    List<PastRun> runs = new ArrayList<>();
    for (int day = 0; day < 40; day++) {
      runs.add(
          day == 7
              ? run(day, 0, 0, 0, 0)
              : run(day, 40 + day * 13 % 17, 10, day % 4, 7200 + 90 * day));
    }
    return new History("DIR", 2.5, runs, null);
  }

  @Test
  void sumsAndCosts() throws IOException {
    History history =
        new History("DIR", 2.5, List.of(run(0, 3, 1, 2, 7200), run(1, 0, 0, 0, 0)), null);
    JsonNode json = HistoryText.json(history);
    assertThat(json.path("runs").asInt()).isEqualTo(2);
    assertThat(json.path("documents").toString()).isEqualTo("{\"ok\":3,\"failed\":2}");
    assertThat(json.path("tokens").asLong()).isEqualTo(3 * 32_768);
    assertThat(json.path("engine_hours").asDouble()).isEqualTo(2);
    assertThat(json.path("cost").asDouble()).isEqualTo(5);
    JsonNode first = json.path("history").path(0);
    assertThat(first.path("new").asInt()).isEqualTo(2);
    assertThat(first.path("changed").asInt()).isEqualTo(1);
    assertThat(first.path("unchanged").asInt()).isEqualTo(1000);
    assertThat(first.path("errors").path("it is <empty>").asInt()).isEqualTo(2);
    assertThat(json.path("history").path(1).has("engine_idle")).isFalse();
    assertThat(history.runs().get(0).tokensPerSecond()).isEqualTo(3 * 327.68, Offset.offset(1e-9));
    String text = String.join("\n", HistoryText.lines(history));
    assertThat(text)
        .contains("error: 2 times it is <empty>")
        .contains("2 runs: 3 documents pre-filled, 2 failed; 98,304 tokens in 200.0 s")
        .contains("2.00 engine hours, 5.00 at 2.5 an hour");
  }

  @Test
  void earlierRunsCountInTheSums() {
    RunSums earlier =
        new RunSums(9, "2025-01-01T00:00:00Z", "2025-06-01T00:00:00Z", 100, 5, 1000, 10, 50, 3600);
    History history = new History("DIR", 2, List.of(run(0, 3, 0, 0, 7200)), earlier);
    assertThat(history.totals().runs()).isEqualTo(10);
    assertThat(history.totals().ok()).isEqualTo(103);
    assertThat(history.cost(history.totals().engineSeconds())).isEqualTo(6);
    assertThat(HistoryText.lines(history))
        .anyMatch(line -> line.startsWith("9 earlier runs, from 2025-01"));
  }

  @Test
  void thePageIsWellFormedAndHasEveryRun() throws Exception {
    String html = HistoryPage.of(history()).html();
    String xml = html.replaceFirst("<!DOCTYPE html>", "");
    DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new InputSource(new StringReader(xml)));
    assertThat(html).contains("run-0<", "run-39<", "2026-03-01", "it is &lt;empty&gt;", "40 runs");
  }
}
