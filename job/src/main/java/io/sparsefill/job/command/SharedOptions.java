package io.sparsefill.job.command;

import io.sparsefill.job.run.OptionValues;
import io.sparsefill.job.run.RunOption;
import io.sparsefill.job.run.SessionScope;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/**
 * Puts {@link RunOption}s on a subcommand, and reads what was given with the Spark configuration
 * beneath it.
 */
final class SharedOptions {
  /** How documents are read. */
  static final List<RunOption> READING =
      List.of(
          RunOption.FORMAT,
          RunOption.ID_COLUMN,
          RunOption.TEXT_COLUMN,
          RunOption.TOKENS_COLUMN,
          RunOption.LIMIT);

  /** What computes, and how. */
  static final List<RunOption> COMPUTING =
      List.of(
          RunOption.BACKEND,
          RunOption.REQUIRE_GPU,
          RunOption.WEIGHTS,
          RunOption.ROPE_FREQUENCIES,
          RunOption.BOS,
          RunOption.MASTER);

  private SharedOptions() {}

  /** The subcommand of an annotated object, with these options. */
  @SafeVarargs
  static CommandLine line(Object command, List<RunOption>... options) {
    CommandLine line = new CommandLine(command);
    for (List<RunOption> group : options) {
      for (RunOption option : group) {
        line.getCommandSpec().addOption(spec(option));
      }
    }
    return line;
  }

  private static OptionSpec spec(RunOption option) {
    String standard = option.defaultValue().map(text -> " (default " + text + ")").orElse("");
    OptionSpec.Builder builder =
        OptionSpec.builder(option.flag())
            .type(String.class)
            .description(option.help().replace("%", "%%") + (option.isSwitch() ? "" : standard));
    if (option.isSwitch()) {
      builder.arity("0..1").fallbackValue("true").paramLabel("true|false");
    } else {
      builder.arity("1").paramLabel(option.valueName());
    }
    return builder.build();
  }

  /** Options given on the command line. */
  static Map<RunOption, String> given(CommandSpec spec) {
    Map<RunOption, String> given = new EnumMap<>(RunOption.class);
    for (RunOption option : RunOption.values()) {
      OptionSpec found = spec.findOption(option.flag());
      // A subcommand's own option of the same name, such as doctor's --attention, is another thing.
      if (found != null && found.getValue() instanceof String value) {
        given.put(option, value);
      }
    }
    return given;
  }

  /** All option values: command line, then Spark configuration, then defaults. */
  static OptionValues values(CommandSpec spec) {
    return OptionValues.resolve(given(spec), SessionScope.configuration());
  }
}
