package io.sparsefill.job.run;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * The text of every option and where it was given. Precedence: command line, then Spark
 * configuration, then default. The reading methods name the option as the user gave it when a value
 * does not fit.
 */
public final class OptionValues {
  private record Given(String text, String origin) {}

  private final Map<RunOption, Given> given = new EnumMap<>(RunOption.class);

  private OptionValues() {}

  /**
   * Joins the two sources.
   *
   * @param commandLine options given there
   * @param sparkConf the whole Spark configuration; keys of others are left alone
   * @throws UsageException for a key that begins with {@code spark.sparsefill.} and is not one of
   *     ours, naming the nearest known ones
   */
  public static OptionValues resolve(
      Map<RunOption, String> commandLine, Map<String, String> sparkConf) {
    OptionValues values = new OptionValues();
    for (RunOption option : RunOption.values()) {
      option.defaultValue().ifPresent(text -> values.put(option, text, option.flag()));
    }
    List<String> unknown = new ArrayList<>();
    sparkConf.forEach(
        (key, text) -> {
          if (key.startsWith(RunOption.KEY_PREFIX)) {
            RunOption.ofKey(key)
                .ifPresentOrElse(
                    option -> values.put(option, text, key + "="), () -> unknown.add(key));
          }
        });
    if (!unknown.isEmpty()) {
      unknown.sort(null);
      throw new UsageException(
          "Cannot use configuration key "
              + unknown.get(0)
              + ": unknown; nearest known keys are "
              + String.join(", ", nearestKeys(unknown.get(0))));
    }
    commandLine.forEach((option, text) -> values.put(option, text, option.flag()));
    return values;
  }

  private void put(RunOption option, String text, String origin) {
    given.put(option, new Given(text.strip(), origin));
  }

  /** The value's text, or null when the option is given nowhere and has no default. */
  public String text(RunOption option) {
    Given value = given.get(option);
    return value == null || value.text().isEmpty() ? null : value.text();
  }

  /**
   * The value of an option that must be given.
   *
   * @throws UsageException if it is not
   */
  public String required(RunOption option) {
    String text = text(option);
    if (text == null) {
      throw new UsageException(
          "Cannot start: "
              + option.flag()
              + " is missing; give it or the configuration key "
              + option.key());
    }
    return text;
  }

  /** A whole number of at least {@code least}, or null when the option is given nowhere. */
  Integer integer(RunOption option, int least) {
    String text = text(option);
    if (text == null) {
      return null;
    }
    try {
      int value = Integer.parseInt(text);
      if (value >= least) {
        return value;
      }
    } catch (NumberFormatException e) {
      throw refused(option, "a whole number of at least " + least, e);
    }
    throw refused(option, "a whole number of at least " + least, null);
  }

  /** A number from {@code least} to {@code most}. */
  double number(RunOption option, double least, double most) {
    String accepted = "a number from " + least + " to " + most;
    try {
      double value = Double.parseDouble(required(option));
      if (value >= least && value <= most) {
        return value;
      }
    } catch (NumberFormatException e) {
      throw refused(option, accepted, e);
    }
    throw refused(option, accepted, null);
  }

  /** {@code true} or {@code false}. */
  public boolean isOn(RunOption option) {
    return choice(option, List.of("true", "false"), Boolean::parseBoolean);
  }

  /** One of a few words. */
  <T> T choice(RunOption option, List<String> accepted, Function<String, T> read) {
    String text = required(option);
    if (!accepted.contains(text)) {
      throw refused(option, String.join(", ", accepted), null);
    }
    return read.apply(text);
  }

  /** Any value whose reader throws IllegalArgumentException with what it accepts. */
  <T> T read(RunOption option, Function<String, T> reader) {
    try {
      return reader.apply(required(option));
    } catch (IllegalArgumentException e) {
      throw new UsageException(shown(option) + ": " + e.getMessage(), e);
    }
  }

  private UsageException refused(RunOption option, String accepted, Exception cause) {
    return new UsageException(shown(option) + ": accepted is " + accepted, cause);
  }

  private String shown(RunOption option) {
    Given value = given.get(option);
    String space = value.origin().endsWith("=") ? "" : " ";
    return "Cannot use " + value.origin() + space + value.text();
  }

  private static List<String> nearestKeys(String unknown) {
    List<String> keys = new ArrayList<>();
    for (RunOption option : RunOption.values()) {
      keys.add(option.key());
    }
    keys.sort(Comparator.comparingInt((String key) -> editDistance(unknown, key)));
    return keys.subList(0, 3);
  }

  /** Levenshtein's distance: insertions, deletions and replacements from one text to the other. */
  static int editDistance(String from, String to) {
    int[] row = new int[to.length() + 1];
    for (int j = 0; j <= to.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= from.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= to.length(); j++) {
        int replace = diagonal + (from.charAt(i - 1) == to.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(replace, Math.min(row[j], row[j - 1]) + 1);
      }
    }
    return row[to.length()];
  }
}
