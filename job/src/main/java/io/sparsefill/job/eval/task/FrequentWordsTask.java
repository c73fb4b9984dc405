package io.sparsefill.job.eval.task;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Frequent words extraction: a text of made-up words whose frequencies fall with the square of
 * their rank; dots take the first rank, the words of ranks two to four are asked for. RULER's
 * {@code freq_words_extraction.py}: alpha 2, words of six letters, one word per 50 tokens in the
 * vocabulary.
 */
final class FrequentWordsTask {
  private static final int ASKED = 3;
  private static final int LETTERS = 6;
  private static final int TOKENS_PER_WORD_OF_VOCABULARY = 50;
  private static final double ZETA_OF_ALPHA = Math.PI * Math.PI / 6;

  /** From so many words on, the frequencies of ranks two to five differ by one at least. */
  private static final int LEAST = 73;

  private FrequentWordsTask() {}

  /** A sample. */
  static Draft draft(Request request) {
    Draws draws = request.draws("vocabulary");
    int size = Math.max(ASKED + 2, request.length() / TOKENS_PER_WORD_OF_VOCABULARY);
    Set<String> taken = new HashSet<>();
    List<String> vocabulary = new ArrayList<>();
    vocabulary.add("...");
    while (vocabulary.size() < size) {
      vocabulary.add(draws.fresh(taken, () -> draws.letters('a', LETTERS)));
    }
    List<Answer> answers = new ArrayList<>();
    for (String word : vocabulary.subList(1, 1 + ASKED)) {
      answers.add(new Answer("", " " + word));
    }
    Question question =
        new Question(
            "\nQuestion: Do not provide any explanation. Please ignore the dots '....'. What are the three most frequently appeared words in the above coded text? Answer: According to the coded text above, the three most frequently appeared words are:",
            answers,
            true);
    return new Draft(
        units ->
            new Draft.Body(
                "Read the following coded text and track the frequency of each coded word. Find the three most frequently appeared coded words. "
                    + text(vocabulary, units, request.draws("order")),
                question),
        null, // words lie scattered
        LEAST,
        "word",
        Double.NaN);
  }

  /** A text of about so many words in random order. */
  private static String text(List<String> vocabulary, int words, Draws draws) {
    List<String> all = new ArrayList<>();
    for (int rank = 1; rank <= vocabulary.size(); rank++) {
      int count = (int) (words / ((double) rank * rank * ZETA_OF_ALPHA));
      all.addAll(Collections.nCopies(count, vocabulary.get(rank - 1)));
    }
    draws.shuffle(all);
    return String.join(" ", all);
  }
}
