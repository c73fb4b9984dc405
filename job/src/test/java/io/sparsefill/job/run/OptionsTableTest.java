package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/**
 * README's table of options is what {@link RunOption} says. To bring it up to date: {@code mvn -pl
 * job -am test -Dtest=OptionsTableTest -Dsurefire.failIfNoSpecifiedTests=false
 * -Dsparsefill.updateReadme=true}.
 */
class OptionsTableTest {
  @Test
  void readmeHasExactlyTheOptionsOfTheCode() throws IOException {
    Path readme = Path.of(System.getProperty("sparsefill.root"), "README.md");
    String text = Files.readString(readme);
    String expected = OptionsTable.replacedIn(text);
    if (Boolean.getBoolean("sparsefill.updateReadme")) {
      Files.writeString(readme, expected);
    }
    assertThat(Files.readString(readme)).isEqualTo(expected);
  }
}
