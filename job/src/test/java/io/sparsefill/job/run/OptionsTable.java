package io.sparsefill.job.run;

/** README's table of options, made from {@link RunOption}. */
final class OptionsTable {
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
}
