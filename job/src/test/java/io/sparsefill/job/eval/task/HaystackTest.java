package io.sparsefill.job.eval.task;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.job.eval.task.Haystack.Text;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The oracle is the list of words, repeated. */
class HaystackTest {
  private static final Haystack HAYSTACK =
      new Haystack(
          List.of(
              new Text("first", "\uFEFFIt rained.  All\r\nday? “Yes!” said he\n\n"),
              new Text("second", "(No.) He\u00A0went")));
  private static final List<String> WORDS =
      List.of("It", "rained.", "All", "day?", "“Yes!”", "said", "he", "(No.)", "He", "went");

  @Test
  void wordsAreThoseBetweenWhiteSpaceAndBeginAgainAfterTheLast() {
    assertThat(HAYSTACK.words()).isEqualTo(WORDS.size());
    List<String> repeated = new ArrayList<>();
    Collections.nCopies(4, WORDS).forEach(repeated::addAll);
    for (int start = 0; start < WORDS.size(); start++) {
      for (int count = 0; count <= 25; count++) {
        String wanted = String.join(" ", repeated.subList(start, start + count));
        assertThat(HAYSTACK.words(start, count)).isEqualTo(wanted);
        assertThat(String.join(" ", HAYSTACK.sentences(start, count))).isEqualTo(wanted);
      }
    }
  }

  /** The end of the texts ends a sentence too, so that the beginning stands by itself. */
  @Test
  void sentencesEndWithTheirMarksAndAtTheEnd() {
    assertThat(HAYSTACK.sentences(0, 12))
        .containsExactly(
            "It rained.", "All day?", "“Yes!”", "said he (No.)", "He went", "It rained.");
    assertThat(HAYSTACK.sentences(5, 2)).containsExactly("said he");
  }

  @Test
  void drawnStartsAreThoseOfSentences() {
    for (long seed = 0; seed < 50; seed++) {
      assertThat(HAYSTACK.sentenceStart(new Draws(seed))).isIn(0, 2, 4, 5, 8);
    }
  }
}
