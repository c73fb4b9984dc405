package io.sparsefill.job.run;

/** README's table of options, made from {@link RunOption}. */
final class OptionsTable {
  static final String BEGIN = "<!-- options -->";
  static final String END = "<!-- /options -->";

  private OptionsTable() {}

  /** The lines between the markers, without them. */
  static String markdown() {
    StringBuilder table =
        new StringBuilder(
            "| option | Spark configuration key | default | meaning |\n| --- | --- | --- | --- |\n");
    for (RunOption option : RunOption.values()) {
      String flag = option.flag() + (option.isSwitch() ? "" : " " + option.valueName());
      String standard = option.defaultValue().map(text -> "`" + text + "`").orElse("");
      table.append("| `").append(flag).append("` | `").append(option.key()).append("` | ");
      table.append(standard).append(" | ").append(option.help().replace("|", "\\|")).append(" |\n");
    }
    return table.toString();
  }

  /**
   * A README with the table replaced.
   *
   * @throws IllegalArgumentException if the markers are not there once each, in order
   */
  static String replacedIn(String readme) {
    int begin = readme.indexOf(BEGIN);
    int end = readme.indexOf(END);
    if (begin < 0 || end < begin || readme.indexOf(BEGIN, begin + 1) >= 0) {
      throw new IllegalArgumentException(
          "Cannot find the options table in README.md: it needs "
              + BEGIN
              + " and then "
              + END
              + ", once each");
    }
    return readme.substring(0, begin) + BEGIN + "\n" + markdown() + readme.substring(end);
  }
}
