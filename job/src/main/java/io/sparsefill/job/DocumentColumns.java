package io.sparsefill.job;

import java.io.Serializable;
import java.util.Collection;

/**
 * The columns that a document is made of, in JSONL, Parquet and tables alike, and the rules by
 * which their values become a {@link Document}.
 *
 * @param id column of the document's name
 * @param text column of the text
 * @param tokens column of token ids; where a document has both, the ids are taken
 * @param question column of the question, or null when none is asked
 */
record DocumentColumns(String id, String text, String tokens, String question)
    implements Serializable {

  static DocumentColumns of(InputOptions in) {
    return new DocumentColumns(
        in.idColumn(), in.textColumn(), in.tokensColumn(), in.questionColumn());
  }

  /** A document's name as it is; an empty one, or one that is no proper text, is an error. */
  static String requireId(String column, String id) throws UnreadableDocumentException {
    try {
      return DocumentText.of(id).text();
    } catch (UnreadableDocumentException e) {
      throw badId(column, e);
    }
  }

  /** A document's name from UTF-8 bytes, as {@link #requireId(String, String)}. */
  static String requireId(String column, byte[] id) throws UnreadableDocumentException {
    try {
      return DocumentText.decode(id, 0, id.length).text();
    } catch (UnreadableDocumentException e) {
      throw badId(column, e);
    }
  }

  private static UnreadableDocumentException badId(
      String column, UnreadableDocumentException reason) {
    return new UnreadableDocumentException(
        "the document's name in column '%s': %s".formatted(column, reason.getMessage()));
  }

  /** The document of a text. */
  static Document ofText(String docId, String source, DocumentText text) {
    return new Document(docId, source, text.sha256(), text.text(), null, null);
  }

  /** The document of given token ids; none at all is an error. */
  static Document ofTokens(String docId, String source, int[] tokenIds)
      throws UnreadableDocumentException {
    if (tokenIds.length == 0) {
      throw new UnreadableDocumentException("it is empty: it has no token ids");
    }
    return new Document(docId, source, ContentHash.of(tokenIds), null, tokenIds, null);
  }

  /** The document with its question; an empty one, or one that is no proper text, is an error. */
  Document ask(Document document, String asked) throws UnreadableDocumentException {
    if (asked == null) {
      throw new UnreadableDocumentException(
          "column '%s' is null; a question is needed".formatted(question));
    }
    try {
      return ask(document, DocumentText.of(asked));
    } catch (UnreadableDocumentException e) {
      throw badQuestion(e);
    }
  }

  /** The document with a question of UTF-8 bytes, as {@link #ask(Document, String)}. */
  Document ask(Document document, byte[] asked) throws UnreadableDocumentException {
    if (asked == null) {
      return ask(document, (String) null);
    }
    try {
      return ask(document, DocumentText.decode(asked, 0, asked.length));
    } catch (UnreadableDocumentException e) {
      throw badQuestion(e);
    }
  }

  private static Document ask(Document document, DocumentText asked)
      throws UnreadableDocumentException {
    if (asked.text().isBlank()) {
      throw new UnreadableDocumentException("it is empty but for white space");
    }
    return new Document(
        document.docId(),
        document.source(),
        ContentHash.withQuestion(document.contentSha256(), asked.sha256()),
        document.text(),
        document.tokenIds(),
        document.error(),
        asked.text());
  }

  private UnreadableDocumentException badQuestion(UnreadableDocumentException reason) {
    return new UnreadableDocumentException(
        "the question in column '%s': %s".formatted(question, reason.getMessage()));
  }

  /**
   * Checks that the question column is there, where questions are asked.
   *
   * @param found the columns that are there
   */
  void requireQuestionAmong(Collection<String> found) throws UnreadableDocumentException {
    if (question != null && !found.contains(question)) {
      throw new UnreadableDocumentException(
          "there is no column '%s', but: %s; check --question-column"
              .formatted(question, found.isEmpty() ? "none" : String.join(", ", found)));
    }
  }

  /** What to say about a value that is no token id. */
  static UnreadableDocumentException notTokenId(String column, int index, String found) {
    return new UnreadableDocumentException(
        "token %d of column '%s' is %s; token ids are integers from 0 to 2^31 - 1"
            .formatted(index, column, found));
  }

  /** What to say about a row whose text column holds null. */
  UnreadableDocumentException nullText() {
    return new UnreadableDocumentException(
        "column '%s' is null; a string is needed".formatted(text));
  }

  /**
   * Checks that the name column is there, unless it is the default one: names that are made up in
   * place of those that were asked for would surprise whoever joins on them.
   *
   * @param found the columns that are there
   */
  void requireIdAmong(Collection<String> found) throws UnreadableDocumentException {
    if (!id.equals(InputOptions.DEFAULT_ID_COLUMN) && !found.contains(id)) {
      throw new UnreadableDocumentException(
          "there is no column '%s', but: %s; check --id-column"
              .formatted(id, found.isEmpty() ? "none" : String.join(", ", found)));
    }
  }

  /** What to say where neither a text nor a tokens column is. */
  UnreadableDocumentException missing(Collection<String> found) {
    return new UnreadableDocumentException(
        ("there is no column '%s' and no column '%s', but: %s; name one with "
                + "--text-column or --tokens-column")
            .formatted(text, tokens, found.isEmpty() ? "none" : String.join(", ", found)));
  }
}
