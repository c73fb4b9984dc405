package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/**
 * README's tables of options and of attention modes are what {@link RunOption} and {@link
 * io.sparsefill.kernels.attention.AttentionMode} say. To bring them up to date: {@code mvn -pl job
 * -am test -Dtest=OptionsTableTest -Dsurefire.failIfNoSpecifiedTests=false
 * -Dsparsefill.updateReadme=true}.
 */
class OptionsTableTest {
  @Test
  void readmeHasExactlyTheOptionsAndModesOfTheCode() throws IOException {
    Path readme = Path.of(System.getProperty("sparsefill.root"), "README.md");
    String text = Files.readString(readme);
    String expected = ReadmeTables.replacedIn(text);
    if (Boolean.getBoolean("sparsefill.updateReadme")) {
      Files.writeString(readme, expected);
    }
    assertThat(Files.readString(readme)).isEqualTo(expected);
  }
}
