package io.sparsefill.job;

import java.io.Serializable;
import java.util.Objects;

/**
 * Which documents a run reads. Null column names mean the defaults.
 *
 * @param input a file or folder of any Hadoop file system, or the name of a table
 * @param format a label of {@link InputFormat}, or null to find out from the file names (and, for a
 *     name without a known extension, from the first bytes)
 * @param idColumn column of the document's name, a string or an integer; default {@code doc_id}.
 *     Where that default is absent, the name is {@code <file>#<byte offset or row>}; where another
 *     is, that is an error
 * @param textColumn column of the text; default {@code text}
 * @param tokensColumn column of token ids, taken as they are in place of the text; default {@code
 *     token_ids}
 * @param limit only the first so many documents in source order, or null for all
 * @param questionColumn column of a question about the document, or null when none is asked
 */
public record InputOptions(
    String input,
    String format,
    String idColumn,
    String textColumn,
    String tokensColumn,
    Integer limit,
    String questionColumn)
    implements Serializable {
  /** The name column that need not be there. */
  static final String DEFAULT_ID_COLUMN = "doc_id";

  /**
   * Checks what can be checked without reading.
   *
   * @throws IllegalArgumentException for an unknown format, columns of one name, or a limit below 1
   */
  public InputOptions {
    Objects.requireNonNull(input, "input");
    idColumn = idColumn == null ? DEFAULT_ID_COLUMN : idColumn;
    textColumn = textColumn == null ? "text" : textColumn;
    tokensColumn = tokensColumn == null ? "token_ids" : tokensColumn;
    if (format != null) {
      InputFormat.of(format);
    }
    if (idColumn.equals(textColumn)
        || idColumn.equals(tokensColumn)
        || textColumn.equals(tokensColumn)) {
      throw new IllegalArgumentException(
          ("Cannot read the input: id column '%s', text column '%s' and tokens column "
                  + "'%s' must differ")
              .formatted(idColumn, textColumn, tokensColumn));
    }
    if (idColumn.equals(questionColumn)
        || textColumn.equals(questionColumn)
        || tokensColumn.equals(questionColumn)) {
      throw new IllegalArgumentException(
          "Cannot read the input: question column '%s' is the name's, the text's or the tokens' column too"
              .formatted(questionColumn));
    }
    if (limit != null && limit < 1) {
      throw new IllegalArgumentException(
          "Cannot read the input: limit is %d; it must be at least 1".formatted(limit));
    }
  }
}
