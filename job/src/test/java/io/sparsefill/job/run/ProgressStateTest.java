package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThat;

import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

/** Progress by hand-made task reports; the oracle is arithmetic done here. */
class ProgressStateTest {
  private final ProgressState state = new ProgressState();

  @Test
  void sumsTasksAndScalesTimeByPredictedCost() {
    state.expect(10, 4000, 80, true);
    state.report(1, new ProgressState.Report(1, 500, 15));
    state.report(2, new ProgressState.Report(2, 500, 5));

    // 20 of 80 predicted seconds took 10 real ones, so 60 take 30.
    assertThat(state.secondsLeft(10)).isEqualTo(30, Offset.offset(1e-9));
    assertThat(state.line(10))
        .isEqualTo("3/10 documents, 1,000/4,000 tokens, 100 tokens/s, 0:30 left");
    assertThat(state.bar(10)).startsWith("[######..................] 3/10");
  }

  @Test
  void laterReportOfOneTaskReplacesItsEarlierOne() {
    state.expect(4, 400, 4, true);
    state.report(7, new ProgressState.Report(1, 100, 1));
    state.report(7, new ProgressState.Report(2, 200, 2));
    assertThat(state.line(1)).startsWith("2/4 documents, 200/400 tokens");
  }

  @Test
  void failedAttemptIsWithdrawnSoThatItsRepetitionCountsOnce() {
    state.expect(4, 400, 4, true);
    state.report(7, new ProgressState.Report(2, 200, 2));
    state.withdraw(7);
    state.report(8, new ProgressState.Report(2, 200, 2));
    assertThat(state.line(1)).startsWith("2/4 documents, 200/400 tokens");
  }

  @Test
  void timeLeftIsUnknownBeforeTheFirstDocument() {
    state.expect(4, 400, 4, true);
    assertThat(state.secondsLeft(5)).isNaN();
    assertThat(state.line(5)).endsWith(" ? left");
  }

  @Test
  void durations() {
    assertThat(ProgressState.duration(0.4)).isEqualTo("0:00");
    assertThat(ProgressState.duration(61)).isEqualTo("1:01");
    assertThat(ProgressState.duration(3723)).isEqualTo("1:02:03");
  }
}
