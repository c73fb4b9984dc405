package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThatNoException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

/** Which sessions a command takes. */
class SessionScopeTest {
  @Test
  void sparkConnectIsRefusedWithWhatToUseInstead() {
    assertThatThrownBy(() -> SessionScope.refuseConnect("sc://host:15002"))
        .isInstanceOf(UsageException.class)
        .hasMessageContaining("Cannot run through Spark Connect (sc://host:15002)")
        .hasMessageContaining("spark-submit --master");
  }

  @Test
  void withoutARemoteNothingIsRefused() {
    assertThatNoException().isThrownBy(() -> SessionScope.refuseConnect(null));
    assertThatNoException().isThrownBy(() -> SessionScope.refuseConnect(""));
  }
}
