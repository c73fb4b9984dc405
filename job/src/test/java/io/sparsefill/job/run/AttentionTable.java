package io.sparsefill.job.run;

import io.sparsefill.kernels.attention.AttentionMode;
import io.sparsefill.kernels.attention.Refinement;

/** README's table of attention modes, made from {@link AttentionMode} and {@link Refinement}. */
final class AttentionTable {
  private AttentionTable() {}

  /** The table's lines. */
  static String markdown() {
    StringBuilder table =
        new StringBuilder(
            "| `--attention` | without sizes | backends | a query sees | source |\n"
                + "| --- | --- | --- | --- | --- |\n");
    for (AttentionMode mode : AttentionMode.values()) {
      String defaults = mode.defaults().isEmpty() ? "" : "`" + mode.defaults() + "`";
      table.append("| `").append(mode.form()).append("` | ").append(defaults).append(" | ");
      table.append(String.join(", ", mode.backends())).append(" | ");
      table.append(mode.summary()).append(" | ").append(mode.source()).append(" |\n");
    }
    for (Refinement refinement : Refinement.values()) {
      table.append("| `MODE").append(refinement.form()).append("` | | ");
      table.append(refinement.backends()).append(" | ").append(refinement.summary());
      table.append(" | ").append(refinement.source()).append(" |\n");
    }
    return table.toString();
  }
}
