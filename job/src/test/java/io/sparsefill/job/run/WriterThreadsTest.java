package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Oracle: the rule in the option's help, by hand. */
class WriterThreadsTest {
  @ParameterizedTest
  @CsvSource({
    "auto, cuda, 1, 1",
    "auto, cuda, 2, 2",
    "auto, cuda, 16, 8",
    "auto, cpu, 16, 1",
    "3, cuda, 16, 3",
    "3, cpu, 1, 3",
    "64, cuda, 16, 64"
  })
  void ofATask(String given, String backend, int cores, int threads) {
    assertThat(WriterThreads.of(given).inTask(backend, cores)).isEqualTo(threads);
  }
}
