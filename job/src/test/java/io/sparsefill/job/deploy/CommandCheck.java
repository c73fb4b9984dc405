package io.sparsefill.job.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.job.command.SparsefillCommand;
import io.sparsefill.job.run.OptionValues;
import io.sparsefill.job.run.RunOption;
import io.sparsefill.job.run.RunOptions;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParseResult;

/** Parses a command of a deployment file by the real command line. */
final class CommandCheck {
  private CommandCheck() {}

  /**
   * Refuses unknown commands and options, and for {@code run} wrong values and combinations too.
   *
   * @param conf Spark's configuration beside it
   * @return the name of the command
   */
  static String parses(List<String> arguments, Map<String, String> conf) {
    StringWriter says = new StringWriter();
    CommandLine line = SparsefillCommand.commandLine(new PrintWriter(says), new PrintWriter(says));
    ParseResult parsed = line.parseArgs(arguments.toArray(String[]::new));
    assertThat(parsed.hasSubcommand()).as("%s names a command", arguments).isTrue();
    ParseResult command = parsed.subcommand();
    String name = command.commandSpec().name();
    if (name.equals("run")) {
      RunOptions.of(OptionValues.resolve(given(command), conf));
    }
    return name;
  }

  private static Map<RunOption, String> given(ParseResult command) {
    Map<RunOption, String> given = new EnumMap<>(RunOption.class);
    for (OptionSpec option : command.matchedOptions()) {
      Optional<RunOption> known =
          Arrays.stream(RunOption.values())
              .filter(each -> each.flag().equals(option.longestName()))
              .findFirst();
      known.ifPresent(each -> given.put(each, option.getValue()));
    }
    return given;
  }
}
