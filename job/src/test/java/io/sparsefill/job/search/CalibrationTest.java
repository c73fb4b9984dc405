package io.sparsefill.job.search;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.DocumentStatus;
import io.sparsefill.job.TokenizedDocument;
import io.sparsefill.job.run.UsageException;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which documents stand for which length. */
class CalibrationTest {
  private static TokenizedDocument document(String id, int tokens) {
    return new TokenizedDocument(
        id, id, "", IntStream.range(0, tokens).toArray(), DocumentStatus.OK, null, null);
  }

  @Test
  void documentsOfALengthAreTakenWholeAndLongerOnesAreNotCutThen() {
    Calibration calibration =
        Calibration.of(
            List.of(document("a", 990), document("b", 3950), document("c", 4000)),
            List.of(4000, 1000),
            8,
            5000);
    assertThat(calibration.samples().get(0)).extracting("docId").containsExactly("b", "c");
    assertThat(calibration.samples().get(1)).extracting("docId").containsExactly("a");
    assertThat(calibration.samples().get(1).get(0).tokens()).hasSize(990);
    assertThat(calibration.all()).extracting("number").containsExactly(0, 1, 2);
    assertThat(calibration.longestTokens()).isEqualTo(4000);
  }

  @Test
  void longerDocumentsLoseTheirMiddleWhereNoneIsOfTheLength() {
    Calibration calibration =
        Calibration.of(List.of(document("a", 1000), document("b", 899)), List.of(301), 8, 5000);
    assertThat(calibration.all()).hasSize(2);
    int[] kept = calibration.all().get(0).tokens();
    assertThat(kept).hasSize(301).startsWith(0, 1).endsWith(998, 999);
    assertThat(kept[149]).isEqualTo(149);
    assertThat(kept[150]).isEqualTo(1000 - 151);
  }

  @Test
  void withoutLengthsTheLongestDocumentAndAQuarterOfIt() {
    List<TokenizedDocument> documents = List.of(document("a", 1000), document("b", 2000));
    assertThat(Calibration.of(documents, List.of(), 8, 5000).lengths()).containsExactly(2000, 500);
    assertThat(Calibration.of(documents, List.of(), 8, 1200).lengths())
        .as("of a model for 1200 tokens")
        .containsExactly(1200, 300);
    assertThat(Calibration.of(List.of(document("a", 100)), List.of(), 8, 5000).lengths())
        .containsExactly(100);
  }

  @Test
  void noMoreSamplesThanAskedFor() {
    assertThat(
            Calibration.of(
                    List.of(document("a", 100), document("b", 100), document("c", 100)),
                    List.of(100),
                    2,
                    5000)
                .all())
        .extracting("docId")
        .containsExactly("a", "b");
  }

  @Test
  void whatIsTooShortSaysHowLongItIs() {
    assertThatThrownBy(() -> Calibration.of(List.of(document("a", 63)), List.of(), 8, 5000))
        .isInstanceOf(UsageException.class)
        .hasMessage(
            "Cannot calibrate: the longest document has 63 tokens, less than a tile of 64; give longer ones");
    assertThatThrownBy(
            () -> Calibration.of(List.of(document("a", 800)), List.of(4096, 500), 8, 5000))
        .isInstanceOf(UsageException.class)
        .hasMessage(
            "Cannot calibrate at 4,096 tokens: the longest document has 800; give longer documents or smaller --lengths");
    assertThatThrownBy(() -> Calibration.of(List.of(), List.of(), 8, 5000))
        .isInstanceOf(UsageException.class)
        .hasMessageContaining("the longest document has 0 tokens");
  }

  @Test
  void aDocumentThatCouldNotBeReadIsNamed() {
    TokenizedDocument failed =
        new TokenizedDocument("x", "x", "", new int[0], DocumentStatus.FAILED, "it is empty", null);
    assertThatThrownBy(() -> Calibration.of(List.of(failed), List.of(), 8, 5000))
        .isInstanceOf(UsageException.class)
        .hasMessage("Cannot calibrate with document 'x': it is empty");
  }

  @ParameterizedTest
  @ValueSource(strings = {"63", "4k", "-5", "4096,", ""})
  void lengthsThatAreNoneAreRefused(String list) {
    assertThatThrownBy(() -> SearchOptions.lengths(list))
        .isInstanceOf(UsageException.class)
        .hasMessageStartingWith("Cannot use --lengths " + list + ": ")
        .hasMessageContaining("at least 64");
  }

  @Test
  void lengthsComeOnceAndTheLongestFirst() {
    assertThat(SearchOptions.lengths("64, 4096,64")).containsExactly(4096, 64);
    assertThat(SearchOptions.lengths(null)).isEmpty();
  }
}
