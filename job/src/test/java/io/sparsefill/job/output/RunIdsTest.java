package io.sparsefill.job.output;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Oracle: the order of names as text, which is how readers find the newest content. */
class RunIdsTest {
  private static final Instant NOW = Instant.parse("2026-01-02T03:04:05.6Z");

  private static Manifest.Run run(String runId) {
    return new Manifest.Run(runId, "", Map.of(), List.of(), null);
  }

  @Test
  void namesAscendWithinOneSecondAndWhereTheClockGoesBack() {
    List<Manifest.Run> runs = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      runs.add(run(RunIds.next(NOW, runs)));
    }
    runs.add(run(RunIds.next(NOW.minusSeconds(3600), runs)));
    assertThat(runs)
        .extracting(Manifest.Run::runId)
        .isSortedAccordingTo(Comparator.naturalOrder())
        .doesNotHaveDuplicates();
    assertThat(runs.get(0).runId()).startsWith("20260102T030405Z-");
    assertThat(runs.get(5).runId()).startsWith("20260102T030410Z-");
    assertThat(RunIds.next(NOW.plusSeconds(60), runs)).startsWith("20260102T030505Z-");
  }

  @Test
  void aNameThatIsNotTheLastIsRefused() throws Exception {
    List<Manifest.Run> runs = List.of(run("nightly-2"));
    assertThatThrownBy(() -> RunIds.checkNewest("nightly-10", runs, "DIR"))
        .isInstanceOf(OutputRefused.class)
        .hasMessageContaining("run nightly-10")
        .hasMessageContaining("run nightly-2");
    RunIds.checkNewest("nightly-3", runs, "DIR");
  }
}
