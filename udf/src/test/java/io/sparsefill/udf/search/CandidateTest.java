package io.sparsefill.udf.search;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.LineChoice;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Candidates: their ratios, their ends, and what pattern files say of them. */
class CandidateTest {
  private static Candidate of(String name) {
    return Candidate.parse(name).get(0);
  }

  @Test
  void theDefaultSpaceIsThePapersAndTheCodesDefault() {
    assertThat(Candidate.parse(Candidate.DEFAULT_SPACE))
        .extracting(Candidate::name)
        .containsExactly(
            "vertical-slash:30:2048",
            "vertical-slash:100:1800",
            "vertical-slash:1000:6096",
            "vertical-slash:500:1500",
            "vertical-slash:3000:200",
            "a-shape:1024:4096",
            "block-sparse");
  }

  @Test
  void membersKeepTheRatio() {
    assertThat(of("vertical-slash:500:1500").at(4_000))
        .isEqualTo(new HeadPattern.VerticalSlash(1_000, 3_000));
    assertThat(of("a-shape:1024:4096").at(10)).isEqualTo(new HeadPattern.AShape(128, 512));
    assertThat(of("block-sparse").at(7)).isEqualTo(new HeadPattern.BlockSparse(7));
  }

  @Test
  void smallMembersHaveTheSizesThatAreComputedAnyway() {
    assertThat(of("vertical-slash:30:2048").at(80))
        .isEqualTo(new HeadPattern.VerticalSlash(30, 79));
    assertThat(of("vertical-slash:3000:200").at(80))
        .isEqualTo(new HeadPattern.VerticalSlash(75, 50));
    assertThat(of("a-shape:1024:4096").at(2)).isEqualTo(new HeadPattern.AShape(64, 64));
  }

  @ParameterizedTest
  @CsvSource({"64", "1000", "4096", "131072"})
  void theLargestMemberIsDense(int tokens) {
    for (Candidate candidate : Candidate.parse(Candidate.DEFAULT_SPACE)) {
      HeadPattern largest = candidate.at(candidate.most(tokens));
      if (largest instanceof HeadPattern.VerticalSlash lines) {
        assertThat(Math.max(lines.vertical(), lines.slash())).isGreaterThanOrEqualTo(tokens);
      } else if (largest instanceof HeadPattern.AShape window) {
        assertThat(window.local()).isGreaterThanOrEqualTo(tokens);
      } else {
        assertThat(((HeadPattern.BlockSparse) largest).topTiles() * 64)
            .isGreaterThanOrEqualTo(tokens);
      }
    }
  }

  @Test
  void anEntryOfAPatternFileRunsTheMember() {
    for (Candidate candidate : Candidate.parse(Candidate.DEFAULT_SPACE)) {
      for (int size : new int[] {80, 333, 5_000}) {
        assertThat(candidate.entry(size, 0.25).toPattern()).isEqualTo(candidate.at(size));
        assertThat(candidate.entry(size, 0.25).score()).isEqualTo(0.25);
      }
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "dense | Cannot search with candidate 'dense'",
        "minference | Cannot search with candidate 'minference'",
        "vertical-slash:1 | Unknown attention 'vertical-slash:1'",
        "vertical-slash:1:2,vertical-slash:2:4 | vertical-slash:2:4 is there twice",
        "block-sparse,block-sparse:7 | block-sparse:7 is there twice",
        "vertical-slash:1:2+bands,vertical-slash:5:4 | give all vertical-slash candidates the same",
        "a-shape:1:2+bands | Cannot use --attention a-shape:1:2+bands",
        "block-sparse, | Unknown attention ''",
      })
  void whatIsNoCandidateIsRefused(String list, String message) {
    assertThatThrownBy(() -> Candidate.parse(list))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(message);
  }

  /** Oracle: the file holds the sizes, as the same candidate without what follows the plus. */
  @Test
  void linesAreChosenAsTheCandidatesSayAndTheFileHoldsSizesAlone() {
    String list = "vertical-slash:500:1500+bands+probes:64, a-shape:1:1";
    List<Candidate> candidates = Candidate.parse(list);
    HeadPattern.VerticalSlash sizes = new HeadPattern.VerticalSlash(1_000, 3_000);
    assertThat(candidates.get(0).at(4_000))
        .isEqualTo(new HeadPattern.ChosenLines(sizes, new LineChoice(64, true)));
    assertThat(candidates.get(0).entry(4_000, 1).toPattern()).isEqualTo(sizes);
    assertThat(candidates.get(1).at(2)).isEqualTo(new HeadPattern.AShape(64, 64));
    assertThat(Candidate.refinement(candidates)).isEqualTo("+bands+probes:64");
    assertThat(Candidate.refinement(Candidate.parse(Candidate.DEFAULT_SPACE))).isEmpty();
  }

  @Test
  void listsKeepTheirOrder() {
    assertThat(List.copyOf(Candidate.parse("block-sparse, a-shape:1:1")))
        .extracting(Candidate::name)
        .containsExactly("block-sparse", "a-shape:1:1");
  }
}
