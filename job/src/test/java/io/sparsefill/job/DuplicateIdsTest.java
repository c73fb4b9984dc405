package io.sparsefill.job;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Oracle: the rule in {@link DuplicateIds#mark}, by hand. */
class DuplicateIdsTest {
  @Test
  void theFirstKeepsItsPlaceAndLaterOnesSayWhereItIs() {
    DocumentSummary a = new DocumentSummary("x", "1", 5, "a.txt", DocumentStatus.OK, null);
    DocumentSummary b = new DocumentSummary("y", "2", 5, "b.txt", DocumentStatus.OK, null);
    DocumentSummary c = new DocumentSummary("x", "1", 5, "c.txt", DocumentStatus.OK, null);
    DocumentSummary d = new DocumentSummary("x", "3", 0, "d.txt", DocumentStatus.FAILED, "bad");
    assertThat(new DuplicateIds().mark(List.of(a, b, c, d)))
        .containsExactly(
            a,
            b,
            c.failed("duplicate doc_id 'x': also in a.txt; give every document its own name"),
            d.failed("duplicate doc_id 'x': also in a.txt; give every document its own name"));
    assertThat(new DuplicateIds().mark(List.of(a, c)).get(1).isToPrefill()).isFalse();
  }

  @Test
  void aDocumentThatIsDoneHoldsItsName() {
    DocumentSummary done = new DocumentSummary("x", "1", 0, "a.txt", DocumentStatus.OK, null);
    DocumentSummary later = new DocumentSummary("x", "2", 5, "b.txt", DocumentStatus.OK, null);
    List<DocumentSummary> marked = new DuplicateIds().mark(List.of(done, later));
    assertThat(marked.get(0).isDone()).isTrue();
    assertThat(marked.get(1).status()).isEqualTo(DocumentStatus.FAILED);
  }

  @Test
  void aNameOfAnEarlierSectionIsTaken() {
    DuplicateIds names = new DuplicateIds();
    DocumentSummary first = new DocumentSummary("x", "1", 5, "a.txt", DocumentStatus.OK, null);
    DocumentSummary later = new DocumentSummary("x", "2", 5, "b.txt", DocumentStatus.OK, null);
    assertThat(names.mark(List.of(first))).containsExactly(first);
    assertThat(names.mark(List.of(later)).get(0).error()).contains("also in a.txt");
  }
}
