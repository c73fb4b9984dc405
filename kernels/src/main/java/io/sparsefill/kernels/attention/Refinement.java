package io.sparsefill.kernels.attention;

import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * What may follow a word of {@code --attention} and its sizes, for the documentation: where
 * Sparsefill does it in another way than MInference. {@link Refinements} reads them.
 */
public enum Refinement {
  /** Rows along the document. */
  PROBES(
      "+probes:N",
      "of vertical-slash: lines by the mean weight over N rows along the document, too, or over"
          + " the last 64 where that is more",
      "none"),
  /** Diagonals in whole tiles. */
  BANDS(
      "+bands",
      "of vertical-slash: S distances as S / 64 bands of diagonals, aligned key tiles",
      "roadmap of MInference, microsoft/MInference#163 (block-slash)");

  private final String form;
  private final String summary;
  private final String source;

  Refinement(String form, String summary, String source) {
    this.form = form;
    this.summary = summary;
    this.source = source;
  }

  /** All forms, for messages. */
  static String accepted() {
    return Arrays.stream(values()).map(Refinement::form).collect(Collectors.joining(", "));
  }

  /** How it is written behind a mode. */
  public String form() {
    return form;
  }

  /** What a query sees, or which lines. */
  public String summary() {
    return summary;
  }

  /** Whose idea it is. */
  public String source() {
    return source;
  }

  /** The backends that have it, as {@code --backend} names them. */
  public String backends() {
    return "cpu, cuda";
  }
}
