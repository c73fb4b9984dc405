package io.sparsefill.kernels.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ArgumentsTest {
  private static final Set<String> OPTIONS = Set.of("--lengths", "--kind");
  private static final Set<String> FLAGS = Set.of("--quick");

  @Test
  void readsOptionsAndFlags() {
    Arguments arguments = parse("--lengths 4096,8192 --quick");
    assertThat(arguments.sizes("--lengths", "1")).containsExactly(4096, 8192);
    assertThat(arguments.has("--quick")).isTrue();
    assertThat(arguments.word("--kind", "a", Set.of("a", "b"))).isEqualTo("a");
    assertThat(arguments.size("--kind", 7)).isEqualTo(7);
    assertThatThrownBy(() -> arguments.text("--kind"))
        .isInstanceOf(UsageException.class)
        .hasMessage("--kind is missing");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--other 1",
        "4096",
        "--lengths",
        "--quick --quick",
        "--lengths 0",
        "--lengths 4096,",
        "--lengths -5",
        "--kind c"
      })
  void refusesWhatItDoesNotKnow(String line) throws Exception {
    int code =
        Arguments.run(
            "usage",
            OPTIONS,
            FLAGS,
            line.split(" ", -1),
            arguments -> {
              arguments.sizes("--lengths", "1");
              arguments.word("--kind", "a", Set.of("a", "b"));
            });
    assertThat(code).isEqualTo(2);
  }

  private static Arguments parse(String line) {
    return Arguments.parse(line.split(" ", -1), OPTIONS, FLAGS);
  }
}
