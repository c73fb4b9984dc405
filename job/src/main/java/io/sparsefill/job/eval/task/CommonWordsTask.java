package io.sparsefill.job.eval.task;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;

/**
 * Common words extraction: a numbered list in which ten words stand more often than all others.
 * RULER's {@code common_words_extraction.py}: 30 times against 3, under 4,096 tokens 6 times
 * against once; its wording has a short worked example first. RULER draws from a dictionary of some
 * ten thousand words; here a word is an adjective and a noun with a hyphen.
 */
final class CommonWordsTask {
  private static final int COMMON = 10;

  /** From this length on lists are those of RULER's larger shape. */
  private static final int LARGE = 4_096;

  /** A list with its common words, in the order in which the list first names them. */
  private record NumberedList(String text, List<String> common) {
    /**
     * Of words, the first ten of which are common.
     *
     * @param often how often the list has each common word
     * @param seldom how often each other
     */
    static NumberedList of(List<String> words, int often, int seldom, Draws draws) {
      List<String> all = new ArrayList<>();
      for (int i = 0; i < words.size(); i++) {
        all.addAll(Collections.nCopies(i < COMMON ? often : seldom, words.get(i)));
      }
      draws.shuffle(all);
      StringBuilder text =
          new StringBuilder(
              "Below is a numbered list of words. In these words, some appear more often than others. Memorize the ones that appear most often.\n");
      for (int i = 0; i < all.size(); i++) {
        text.append(i == 0 ? "" : " ").append(i + 1).append(". ").append(all.get(i));
      }
      List<String> common = new ArrayList<>(words.subList(0, COMMON));
      common.sort(Comparator.comparingInt(all::indexOf));
      return new NumberedList(text.toString(), common);
    }

    Question question() {
      List<Answer> answers = new ArrayList<>();
      for (String word : common) {
        answers.add(new Answer(" " + (answers.size() + 1) + ".", " " + word));
      }
      return new Question(
          "\nQuestion: What are the 10 most common words in the above list? Answer: The top 10 words that appear most often in the list are:",
          answers,
          true);
    }
  }

  private CommonWordsTask() {}

  /** A sample. */
  static Draft draft(Request request) {
    List<String> words = new ArrayList<>();
    for (String adjective : Words.ADJECTIVES) {
      for (String noun : Words.NOUNS) {
        words.add(adjective + "-" + noun);
      }
    }
    request.draws("words").shuffle(words);
    boolean large = request.length() >= LARGE;
    int exampleWords = large ? 40 : 20;
    NumberedList example =
        NumberedList.of(
            words.subList(0, exampleWords),
            large ? 10 : 3,
            large ? 3 : 1,
            request.draws("example"));
    String head =
        request.plain()
            ? ""
            : example.text() + example.question().text() + example.question().answerText() + "\n";
    List<String> rest = words.subList(exampleWords, words.size());
    return new Draft(
        units -> {
          NumberedList list =
              NumberedList.of(
                  rest.subList(0, units), large ? 30 : 6, large ? 3 : 1, request.draws("list"));
          return new Draft.Body(head + list.text(), list.question());
        },
        null, // words lie scattered
        COMMON + 1,
        rest.size(),
        "word",
        Double.NaN);
  }
}
