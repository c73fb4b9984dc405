package io.sparsefill.job;

import io.sparsefill.udf.text.SharedTokenizer;
import io.sparsefill.udf.text.TextTokenizer;
import java.io.Serializable;
import java.util.Arrays;
import java.util.Iterator;
import java.util.function.Function;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.util.TaskCompletionListener;

/**
 * Makes tokens of documents: the second step. Given token ids are taken as they are, with the same
 * checks. What fails is an error of that document.
 */
public final class Tokenizing {
  private static final int[] NO_TOKENS = {};

  /** Text of all documents that one task tokenises at a time, unless it is a single longer one. */
  private static final long MOST_CHARACTERS = 64 << 20;

  private Tokenizing() {}

  /** Which documents an earlier run has finished; travels to the tasks. */
  @FunctionalInterface
  public interface Done extends Serializable {
    /** Whether a document of that name and content is finished. */
    boolean test(String docId, String contentSha256);
  }

  /**
   * Tokenises, one tokenizer per JVM and model. A document that is done before stays in its place,
   * with status {@code OK} and no tokens, so that {@link DuplicateIds} still sees it.
   *
   * @param done hold a large set of names in a broadcast variable
   */
  public static JavaRDD<TokenizedDocument> tokenize(
      JavaRDD<Document> documents, TokenizingOptions options, Done done) {
    return documents.mapPartitions(rows -> tokenize(rows, options, done), true);
  }

  private static Iterator<TokenizedDocument> tokenize(
      Iterator<Document> rows, TokenizingOptions options, Done done) {
    TaskContext task = TaskContext.get();
    SharedTokenizer shared = SharedTokenizer.acquire(options.model(), options.bos());
    TextTokenizer tokenizer = shared.tokenizer();
    // One document is one thread's work; a task that has several cores takes several documents.
    InOrder<Document, TokenizedDocument> tokenized =
        new InOrder<>(
            rows,
            document -> tokenize(document, options, done, tokenizer::encode, tokenizer::encodeMore),
            task.cpus(),
            document -> document.text() == null ? 0 : document.text().length(),
            MOST_CHARACTERS);
    task.addTaskCompletionListener(
        (TaskCompletionListener)
            ended -> {
              tokenized.close();
              shared.close();
            });
    return tokenized;
  }

  /**
   * Tokenises one document. An {@link Error}, such as of memory, is not the document's.
   *
   * @param encode a document's text to ids
   * @param encodeMore a question's text to ids
   */
  static TokenizedDocument tokenize(
      Document document,
      TokenizingOptions options,
      Done done,
      Function<String, int[]> encode,
      Function<String, int[]> encodeMore) {
    if (document.error() != null) {
      return without(document, DocumentStatus.FAILED, document.error());
    }
    if (done.test(document.docId(), document.contentSha256())) {
      return without(document, DocumentStatus.OK, null);
    }
    int[] tokens;
    Question question;
    try {
      tokens = document.tokenIds() == null ? encode.apply(document.text()) : document.tokenIds();
      question = question(document, encodeMore);
    } catch (RuntimeException e) {
      return without(
          document,
          DocumentStatus.FAILED,
          "Cannot tokenise %s: %s"
              .formatted(document.source(), e.getMessage() == null ? e : e.getMessage()));
    }
    String error = refused(document, tokens, question, options.vocabulary());
    if (error != null) {
      return without(document, DocumentStatus.FAILED, error);
    }
    return fit(document, tokens, question, options);
  }

  private static Question question(Document document, Function<String, int[]> encodeMore) {
    String text = document.question();
    return text == null ? null : new Question(text, encodeMore.apply(text));
  }

  /** What becomes of a document whose tokens are good, by its length. */
  private static TokenizedDocument fit(
      Document document, int[] tokens, Question question, TokenizingOptions options) {
    long most = options.maxTokens();
    String behind = "";
    if (question != null) {
      most -= (long) question.tokenIds().length + options.answerTokens();
      behind =
          "and its question %d, with an answer of up to %d, "
              .formatted(question.tokenIds().length, options.answerTokens());
    }
    if (tokens.length <= most) {
      return with(document, tokens, DocumentStatus.OK, null, question);
    }
    String tooLong =
        "has %d tokens, %smore than --max-tokens %d"
            .formatted(tokens.length, behind, options.maxTokens());
    return switch (options.onTooLong()) {
      case FAIL ->
          without(
              document,
              DocumentStatus.FAILED,
              tooLong + "; raise that, or choose --on-too-long truncate or skip");
      case SKIP -> without(document, DocumentStatus.SKIPPED, tooLong);
      case TRUNCATE ->
          most < 1
              ? without(
                  document,
                  DocumentStatus.FAILED,
                  tooLong + "; nothing of the document would be left: raise that")
              : with(
                  document,
                  Arrays.copyOf(tokens, (int) most),
                  DocumentStatus.TRUNCATED,
                  "%s; the last %d were cut".formatted(tooLong, tokens.length - most),
                  question);
    };
  }

  private static String refused(
      Document document, int[] tokens, Question question, int vocabulary) {
    if (tokens.length == 0) {
      return "Cannot tokenise %s: its text gives no tokens".formatted(document.source());
    }
    if (question != null && question.tokenIds().length == 0) {
      return "Cannot tokenise %s: its question gives no tokens".formatted(document.source());
    }
    String error = refused(document, tokens, vocabulary);
    return error == null && question != null
        ? refused(document, question.tokenIds(), vocabulary)
        : error;
  }

  private static String refused(Document document, int[] tokens, int vocabulary) {
    for (int i = 0; i < tokens.length; i++) {
      if (tokens[i] < 0 || tokens[i] >= vocabulary) {
        return ("Cannot pre-fill %s: token id %d at position %d is not in the model's "
                + "vocabulary of %d; was it made for another model?")
            .formatted(document.source(), tokens[i], i, vocabulary);
      }
    }
    return null;
  }

  private static TokenizedDocument with(
      Document document, int[] tokens, DocumentStatus status, String error, Question question) {
    return new TokenizedDocument(
        document.docId(),
        document.source(),
        document.contentSha256(),
        tokens,
        status,
        error,
        question);
  }

  private static TokenizedDocument without(Document document, DocumentStatus status, String error) {
    return with(document, NO_TOKENS, status, error, null);
  }
}
