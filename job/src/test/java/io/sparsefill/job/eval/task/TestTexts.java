package io.sparsefill.job.eval.task;

import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.TextTokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import java.util.function.ToIntFunction;
import java.util.regex.Pattern;

/** A novel and tokenizers that every test has. */
final class TestTexts {
  private static final Pattern PIECE = Pattern.compile("\\s?\\p{L}{1,4}|\\d|[^\\s\\p{L}\\d]|\\s");

  /** The bundled novel, a second text behind it. */
  static final Haystack NOVEL =
      new Haystack(
          List.of(
              new Haystack.Text("novel", resource("/io/sparsefill/job/command/odd-women.txt")),
              new Haystack.Text(
                  "scraps", "\uFEFFHe asked: “Why?”\r\n\r\n  She did not say. \"Never!\" ")));

  private TestTexts() {}

  /** Tokens of four letters at most, one for a digit or a mark, and one before the text. */
  static ToIntFunction<String> pieces() {
    return text -> 1 + (int) PIECE.matcher(text).results().count();
  }

  /** The bundled model's tokenizer, its BOS token in front. */
  static Function<String, int[]> needle2m() {
    return Needle2m.TOKENIZER::encode;
  }

  /** Opened once, when first asked for. */
  private static final class Needle2m {
    static final TextTokenizer TOKENIZER =
        TextTokenizer.open(
            Path.of(System.getProperty("sparsefill.root"), "conf", "models", "needle-2m"),
            BosPolicy.AUTO);
  }

  private static String resource(String name) {
    try (InputStream file = TestTexts.class.getResourceAsStream(name)) {
      return new String(file.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
