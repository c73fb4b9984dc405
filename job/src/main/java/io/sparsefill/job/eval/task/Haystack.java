package io.sparsefill.job.eval.task;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The texts in which things are hidden, and whose perplexity is measured. Things are hidden in all
 * of them after each other, every run of white space one space, as RULER does with its essays.
 */
public final class Haystack implements Serializable {
  /**
   * A text.
   *
   * @param name for messages and reports
   * @param content all of it
   */
  public record Text(String name, String content) implements Serializable {}

  private final List<Text> texts;

  /** Words of all texts, one space between them. */
  private final String flat;

  /** Index of each word in {@code flat}, and one behind the last word's space. */
  private final int[] starts;

  /**
   * Reads the words.
   *
   * @throws IllegalArgumentException if there is no word in any text
   */
  public Haystack(List<Text> texts) {
    this.texts = List.copyOf(texts);
    StringBuilder words = new StringBuilder();
    int[] found = new int[1024];
    int count = 0;
    for (Text text : this.texts) {
      String content = text.content();
      for (int at = 0, end; (at = skip(content, at, true)) < content.length(); at = end) {
        end = skip(content, at, false);
        if (count + 1 == found.length) {
          found = Arrays.copyOf(found, 2 * found.length);
        }
        found[count++] = words.length();
        words.append(content, at, end).append(' ');
      }
    }
    if (count == 0) {
      throw new IllegalArgumentException(
          "Cannot hide anything in %d texts without a word".formatted(texts.size()));
    }
    found[count] = words.length();
    this.flat = words.toString();
    this.starts = Arrays.copyOf(found, count + 1);
  }

  /** The texts. */
  public List<Text> texts() {
    return texts;
  }

  /** Number of words. */
  int words() {
    return starts.length - 1;
  }

  /** A word that begins a sentence, drawn. */
  int sentenceStart(Draws draws) {
    int word = draws.below(words());
    for (int i = 0; i < words(); i++, word = (word + 1) % words()) {
      if (word == 0 || endsSentence(word - 1)) {
        return word;
      }
    }
    return 0;
  }

  /**
   * The sentences of so many words from a word on, the last one perhaps cut; after the last text
   * comes the first again.
   */
  List<String> sentences(int start, int count) {
    List<String> sentences = new ArrayList<>();
    int from = start;
    for (int i = 0; i < count; i++) {
      int word = (int) ((start + (long) i) % words());
      if (i == count - 1 || word == words() - 1 || endsSentence(word)) {
        sentences.add(flat.substring(starts[from], starts[word + 1] - 1));
        from = (word + 1) % words();
      }
    }
    return sentences;
  }

  /** So many words from a word on, one space between them. */
  String words(int start, int count) {
    StringBuilder text = new StringBuilder();
    int from = start % words();
    for (int left = count; left > 0; from = 0) {
      int run = Math.min(left, words() - from);
      text.append(flat, starts[from], starts[from + run]);
      left -= run;
    }
    return text.substring(0, Math.max(0, text.length() - 1));
  }

  /** Whether a word ends with a full stop, question or exclamation mark, perhaps quoted. */
  private boolean endsSentence(int word) {
    int last = starts[word + 1] - 2;
    while (last > starts[word] && "\"'’”)]_".indexOf(flat.charAt(last)) >= 0) {
      last--;
    }
    return ".!?".indexOf(flat.charAt(last)) >= 0;
  }

  /** Index of the next character that is no white space, or that is. */
  static int skip(String text, int from, boolean space) {
    int at = from;
    while (at < text.length() && isSpace(text.charAt(at)) == space) {
      at++;
    }
    return at;
  }

  /** White space, and the byte-order mark that some texts begin with. */
  private static boolean isSpace(char c) {
    return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == '\uFEFF';
  }
}
