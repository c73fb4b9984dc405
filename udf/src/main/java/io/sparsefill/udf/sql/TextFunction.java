package io.sparsefill.udf.sql;

import io.sparsefill.udf.Emit;
import io.sparsefill.udf.PrefillResult;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.IntFunction;
import org.apache.spark.TaskContext;
import org.apache.spark.TaskKilledException;

/**
 * A function of one text: null for null, the same result for the same text and settings, and an
 * error that names the text. Nothing is kept between calls but the model, so a text, or a column of
 * texts, may be computed again.
 *
 * @param <R> the result, whatever form Spark gets it in
 */
abstract class TextFunction<R> implements Serializable {
  private static final long serialVersionUID = 1;
  private static final int HEAD_CHARACTERS = 60;

  private final String name;

  /** A function of a name in SQL. */
  TextFunction(String name) {
    this.name = name;
  }

  /** The name in SQL. */
  final String name() {
    return name;
  }

  /** Whether the model runs; a tokenizer alone has nothing to do on a GPU. */
  boolean prefills() {
    return true;
  }

  /**
   * The result for a text.
   *
   * @return null where the setting {@code on-too-long} leaves the text out
   */
  abstract R compute(Call call, String text) throws Exception;

  /**
   * The result for one text, by rows; null for null.
   *
   * @throws IllegalStateException if a GPU is required and the accelerator left the call to Spark
   */
  final R of(String text) {
    if (text == null) {
      return null;
    }
    RowPath.check(this);
    return all(1, row -> text).get(0);
  }

  /**
   * The results for all rows of a column.
   *
   * @param texts a row's text, or null
   */
  final List<R> all(int rows, IntFunction<String> texts) {
    SqlSettings settings = SqlSettings.current();
    List<R> results = new ArrayList<>(rows);
    try (SqlEngine engine = SqlEngine.acquire(settings.model())) {
      Call call = new Call(settings, engine);
      for (int row = 0; row < rows; row++) {
        endIfKilled();
        String text = texts.apply(row);
        results.add(text == null ? null : named(call, text));
      }
    }
    return results;
  }

  private R named(Call call, String text) {
    try {
      return compute(call, text);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new TaskKilledException("interrupted in " + name);
    } catch (Exception e) {
      throw new IllegalStateException(
          "Cannot compute %s of the text that begins with \"%s\" (%s characters): %s"
              .formatted(
                  name,
                  head(text),
                  String.format(Locale.ROOT, "%,d", text.length()),
                  e.getMessage() == null ? e : e.getMessage()),
          e);
    }
  }

  private static void endIfKilled() {
    TaskContext task = TaskContext.get();
    if (task != null) {
      task.killTaskIfInterrupted();
    }
  }

  /** The beginning of a text, in one line and without half a surrogate pair. */
  private static String head(String text) {
    int end = Math.min(text.length(), HEAD_CHARACTERS);
    if (end < text.length() && Character.isHighSurrogate(text.charAt(end - 1))) {
      end--;
    }
    return text.substring(0, end).replaceAll("\\s+", " ");
  }

  /** What the texts of one call have in common. */
  record Call(SqlSettings settings, SqlEngine engine) {
    /** How many tokens a text has, special ones included. */
    int tokenCount(String text) {
      return engine.tokenizer().encode(text).length;
    }

    /** Text of a token id. */
    String token(int id) {
      return engine.tokenizer().token(id);
    }

    /**
     * The tokens to pre-fill: none for a text without any, null for one that is left out.
     *
     * @throws IllegalArgumentException if there are too many, or if the model does not know one
     */
    int[] tokens(String text) {
      int[] tokens = engine.tokenizer().encode(text);
      int vocabulary = engine.config().vocab();
      for (int i = 0; i < tokens.length; i++) {
        if (tokens[i] >= vocabulary) {
          throw new IllegalArgumentException(
              "token id %d at position %d is not in the model's vocabulary of %d; is tokenizer.json another model's?"
                  .formatted(tokens[i], i, vocabulary));
        }
      }
      int most = settings.maxTokens() > 0 ? settings.maxTokens() : engine.config().maxPositions();
      if (tokens.length <= most) {
        return tokens;
      }
      return switch (settings.onTooLong()) {
        case SKIP -> null;
        case TRUNCATE -> Arrays.copyOf(tokens, most);
        case FAIL ->
            throw new IllegalArgumentException(
                "it has %d tokens, more than %d; set %smax-tokens, or on-too-long to truncate or skip"
                    .formatted(tokens.length, most, SqlSettings.PREFIX));
      };
    }

    /** Pre-fills tokens, at least one. */
    PrefillResult prefill(Emit emit, int[] tokens) throws Exception {
      return engine.prefill(emit, tokens);
    }
  }
}
