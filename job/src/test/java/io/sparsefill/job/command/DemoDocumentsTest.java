package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.job.command.DemoDocuments.Answer;
import io.sparsefill.job.command.DemoDocuments.Generated;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * The demo's documents, with a token counter of one token per four characters; the oracle is a
 * search in the text.
 */
class DemoDocumentsTest {
  private static final List<Generated> DOCUMENTS =
      DemoDocuments.generate(7, text -> text.length() / 4);

  @Test
  void answersStandAtTheirPlacesAndTheLastOneEndsTheDocument() {
    for (Generated document : DOCUMENTS) {
      assertThat(document.answers()).isNotEmpty();
      for (Answer answer : document.answers()) {
        assertThat(document.text().substring(answer.start(), answer.end()))
            .isEqualTo(answer.text());
      }
      Answer last = document.answers().get(document.answers().size() - 1);
      assertThat(last.end()).isEqualTo(document.text().length());
    }
  }

  @Test
  void everyAnswerIsHiddenEarlierInTheDocument() {
    for (Generated document : DOCUMENTS) {
      String context = document.text().substring(0, document.answers().get(0).start());
      for (Answer answer : document.answers()) {
        String truth = answer.text().strip().replaceAll("[.\"]$", "");
        assertThat(context).as(document.id()).contains(truth);
      }
    }
  }

  @Test
  void sizesAreFromTwoToSixteenThousandTokensAndIdsDiffer() {
    assertThat(DOCUMENTS).hasSizeGreaterThanOrEqualTo(6);
    assertThat(DOCUMENTS.stream().map(Generated::id).distinct()).hasSameSizeAs(DOCUMENTS);
    for (Generated document : DOCUMENTS) {
      assertThat(document.text().length() / 4).as(document.id()).isBetween(2_000, 16_384);
    }
  }

  @Test
  void sameSeedSameDocumentsAndAnotherSeedOthers() {
    assertThat(DemoDocuments.generate(7, text -> text.length() / 4)).isEqualTo(DOCUMENTS);
    assertThat(DemoDocuments.generate(8, text -> text.length() / 4))
        .doesNotContainAnyElementsOf(DOCUMENTS);
  }
}
