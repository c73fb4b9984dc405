package io.sparsefill.udf.text;

import java.nio.file.Path;
import java.util.List;

/**
 * A model's tokenizer: the whole text to ids, never truncated or padded. Safe for use by several
 * threads.
 *
 * <p>Names of special tokens inside a document ({@code <|end_of_text|>}) become those tokens, as in
 * Hugging Face's tokenizers. The tokens that {@link BosPolicy} puts in front of a document are not
 * put there again if the text itself begins with them, so a document starts with one BOS token and
 * never with two; there Hugging Face would write two.
 */
public final class TextTokenizer implements AutoCloseable {
  private final NativeTokenizer tokenizer;
  private final List<Integer> before;
  private final List<Integer> after;
  private final String description;

  private TextTokenizer(NativeTokenizer tokenizer, SpecialTokens special, String description) {
    this.tokenizer = tokenizer;
    this.before = special.before();
    this.after = special.after();
    this.description = description;
  }

  /**
   * Opens {@code tokenizer.json} of a model's folder.
   *
   * @throws IllegalArgumentException if it is missing or broken, or if the policy asks for a token
   *     that does not exist
   * @throws IllegalStateException if the native library cannot be loaded
   * @throws java.io.UncheckedIOException if a file cannot be read
   */
  public static TextTokenizer open(Path modelFolder, BosPolicy policy) {
    TokenizerFiles files = TokenizerFiles.read(modelFolder);
    NativeTokenizer tokenizer;
    try {
      tokenizer = NativeTokenizer.fromJson(files.json());
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "Cannot open the tokenizer of %s: tokenizer.json is not one of Hugging Face's tokenizers: %s"
              .formatted(modelFolder, e.getMessage()),
          e);
    }
    try {
      SpecialTokens special = SpecialTokens.decide(policy, files, tokenizer);
      return new TextTokenizer(tokenizer, special, special.description(files));
    } catch (RuntimeException e) {
      tokenizer.close();
      throw e;
    }
  }

  /**
   * Ids of a whole text with the model's special tokens around it; those alone for an empty text.
   *
   * @throws IllegalArgumentException if the text holds half of a surrogate pair, which is no
   *     Unicode text
   * @throws IllegalStateException after {@link #close}
   */
  public int[] encode(String text) {
    checkPairs(text);
    long[] ids = tokenizer.encode(text, false);
    int lead = startsWith(ids, before) ? 0 : before.size();
    int[] tokens = new int[lead + ids.length + after.size()];
    for (int i = 0; i < lead; i++) {
      tokens[i] = before.get(i);
    }
    copy(ids, tokens, lead);
    for (int i = 0; i < after.size(); i++) {
      tokens[lead + ids.length + i] = after.get(i);
    }
    return tokens;
  }

  /**
   * Ids of a text that follows a document, without special tokens around it.
   *
   * @throws IllegalArgumentException if the text holds half of a surrogate pair
   * @throws IllegalStateException after {@link #close}
   */
  public int[] encodeMore(String text) {
    checkPairs(text);
    long[] ids = tokenizer.encode(text, false);
    int[] tokens = new int[ids.length];
    copy(ids, tokens, 0);
    return tokens;
  }

  private static void copy(long[] ids, int[] target, int at) {
    for (int i = 0; i < ids.length; i++) {
      target[at + i] = (int) ids[i];
    }
  }

  /**
   * Text of one token as it stands inside a document. Bytes that are no UTF-8 by themselves give
   * U+FFFD, an id outside of the vocabulary gives the empty text.
   *
   * @throws IllegalArgumentException for a negative id
   */
  public String token(int id) {
    if (id < 0) {
      throw new IllegalArgumentException("Cannot decode token id " + id + ": ids start at 0");
    }
    // Decoders of the SentencePiece kind drop a leading space at the start of a text: look behind a
    // first token
    String once = tokenizer.decode(id);
    String twice = tokenizer.decode(id, id);
    return twice.startsWith(once) ? twice.substring(once.length()) : once;
  }

  /** Text of ids, special tokens by their names. */
  public String decode(int[] ids) {
    long[] wide = new long[ids.length];
    for (int i = 0; i < ids.length; i++) {
      wide[i] = ids[i];
    }
    return tokenizer.decode(wide);
  }

  /**
   * What was decided about special tokens, for the fingerprint: {@code before=[0 <|bos|>] after=[]
   * (reason)}.
   */
  public String description() {
    return description;
  }

  /** Frees the native tokenizer, once no other thread uses it; closing twice is harmless. */
  @Override
  public void close() {
    tokenizer.close();
  }

  private static boolean startsWith(long[] ids, List<Integer> start) {
    if (ids.length < start.size()) {
      return false;
    }
    for (int i = 0; i < start.size(); i++) {
      if (ids[i] != start.get(i)) {
        return false;
      }
    }
    return true;
  }

  /**
   * Index of the first half of a surrogate pair that stands alone, or -1 for well-formed text. Such
   * a text has no UTF-8.
   */
  public static int unpairedSurrogate(String text) {
    for (int i = 0; i < text.length(); i++) {
      if (Character.isSurrogate(text.charAt(i))) {
        boolean pair =
            Character.isHighSurrogate(text.charAt(i))
                && i + 1 < text.length()
                && Character.isLowSurrogate(text.charAt(i + 1));
        if (!pair) {
          return i;
        }
        i++;
      }
    }
    return -1;
  }

  /**
   * The native side would replace the whole text's NULs and half pairs by other characters without
   * a word.
   */
  private static void checkPairs(String text) {
    int at = unpairedSurrogate(text);
    if (at >= 0) {
      throw new IllegalArgumentException(
          "Cannot tokenise the text: character %d is U+%04X, half of a surrogate pair; repair the source's encoding"
              .formatted(at, (int) text.charAt(at)));
    }
  }
}
