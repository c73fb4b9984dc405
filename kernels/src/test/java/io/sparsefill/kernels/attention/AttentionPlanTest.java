package io.sparsefill.kernels.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.LineChoice;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Every form of the attention option, every error, and the digest. */
class AttentionPlanTest {
  static Stream<Arguments> uniformForms() {
    return Stream.of(
        Arguments.of("dense", new HeadPattern.Dense()),
        Arguments.of("a-shape", new HeadPattern.AShape(1024, 4096)),
        Arguments.of("a-shape:128:3968", new HeadPattern.AShape(128, 3968)),
        Arguments.of("vertical-slash:100:800", new HeadPattern.VerticalSlash(100, 800)),
        Arguments.of("block-sparse", new HeadPattern.BlockSparse(100)),
        Arguments.of("block-sparse:12", new HeadPattern.BlockSparse(12)),
        Arguments.of("block-sparse-only", new HeadPattern.BlockSparse(100)),
        Arguments.of("tri-shape", new HeadPattern.TriShape(128, 3968, 100)),
        Arguments.of("tri-shape:8:512:128", new HeadPattern.TriShape(8, 512, 128)),
        Arguments.of("dilated", new HeadPattern.Dilated(1024, 0, 8192)),
        Arguments.of("dilated:64:300", new HeadPattern.Dilated(64, 0, 300)),
        Arguments.of("strided", new HeadPattern.Dilated(1024, 2048, 4096)),
        Arguments.of("strided:1:2:3", new HeadPattern.Dilated(1, 2, 3)),
        Arguments.of("top-k", new HeadPattern.TopKeys(4096)),
        Arguments.of("inf-llm", new HeadPattern.Retrieved(128, 4096, 16)),
        Arguments.of("inf-llm:0:8192:2", new HeadPattern.Retrieved(0, 8192, 2)),
        Arguments.of("top-k:7", new HeadPattern.TopKeys(7)),
        Arguments.of("static:100:800", new HeadPattern.VerticalSlash(100, 800)),
        Arguments.of("vertical-only:77", new HeadPattern.VerticalOnly(77)),
        Arguments.of("slash-only:77", new HeadPattern.SlashOnly(77)));
  }

  @ParameterizedTest
  @MethodSource("uniformForms")
  void oneWordGivesEveryHeadThatPatternWithoutDispatch(String option, HeadPattern pattern) {
    AttentionPlan plan = AttentionPlan.parse(option, null, 3, 5);
    assertThat(plan.dispatch()).isFalse();
    assertThat(plan.name()).isEqualTo(option);
    for (int l = 0; l < 3; l++) {
      assertThat(plan.layer(l)).hasSize(5).containsOnly(pattern);
    }
  }

  /** What a pattern says of itself means the same pattern again. */
  @ParameterizedTest
  @MethodSource("uniformForms")
  void aPatternIsSpelledAsTheOptionReadsIt(String option, HeadPattern pattern) {
    assertThat(AttentionPlan.parse(pattern.spelled(), null, 1, 1).layer(0))
        .as(option)
        .containsExactly(pattern);
  }

  @Test
  void minferenceTakesItsDefaultOrTheFileAndDispatches() {
    AttentionPlan plain = AttentionPlan.parse("minference", null, 2, 3);
    assertThat(plain.dispatch()).isTrue();
    assertThat(plain.layer(1)).hasSize(3).containsOnly(new HeadPattern.VerticalSlash(1000, 6096));

    String file = "[{}, {\"1\": [\"stream_llm\", 100, 800, 1]}]";
    AttentionPlan plan = AttentionPlan.parse("minference", file, 2, 3);
    assertThat(plan.dispatch()).isTrue();
    assertThat(plan.layer(1))
        .isEqualTo(
            List.of(
                new HeadPattern.VerticalSlash(1000, 6096),
                new HeadPattern.AShape(100, 800),
                new HeadPattern.VerticalSlash(1000, 6096)));
  }

  static Stream<Arguments> perHeadForms() {
    return Stream.of(
        Arguments.of(
            "vertical-slash-only",
            new HeadPattern.VerticalSlash(1000, 6096),
            new HeadPattern.VerticalSlash(100, 800)),
        Arguments.of(
            "static",
            new HeadPattern.VerticalSlash(1000, 6096),
            new HeadPattern.VerticalSlash(100, 800)),
        Arguments.of(
            "vertical-only", new HeadPattern.VerticalOnly(1000), new HeadPattern.VerticalOnly(100)),
        Arguments.of(
            "slash-only", new HeadPattern.SlashOnly(6096), new HeadPattern.SlashOnly(800)));
  }

  /** Oracle: upstream's vs_only takes the two sizes of an entry, whatever its pattern is. */
  @ParameterizedTest
  @MethodSource("perHeadForms")
  void ablationsTakeTheSizesOfEachHeadWithoutDispatch(
      String option, HeadPattern byDefault, HeadPattern ofEntry) {
    AttentionPlan plain = AttentionPlan.parse(option, null, 2, 3);
    assertThat(plain.dispatch()).isFalse();
    assertThat(plain.layer(1)).hasSize(3).containsOnly(byDefault);
    String file = "[{}, {\"1\": [\"stream_llm\", 100, 800, 1]}]";
    AttentionPlan plan = AttentionPlan.parse(option, file, 2, 3);
    assertThat(plan.dispatch()).isFalse();
    assertThat(plan.layer(1)).isEqualTo(List.of(byDefault, ofEntry, byDefault));
  }

  @Test
  void aSizeThatAnAblationCannotTakeNamesItsHead() {
    String file = "[{}, {\"2\": [\"block_sparse\", 0, 7]}]";
    assertThatThrownBy(() -> AttentionPlan.parse("vertical-only", file, 2, 3))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "Cannot use the pattern file for vertical-only: layer 1 head 2: vertical-only 0: at least 1 column is needed");
  }

  @ParameterizedTest
  @CsvSource({
    "flash, Unknown attention 'flash': accepted are",
    "'', Unknown attention '': accepted are",
    "Dense, Unknown attention 'Dense': accepted are",
    "dense:3, Unknown attention 'dense:3': accepted are",
    "minference:3, Unknown attention 'minference:3': accepted are",
    "a-shape:3, Unknown attention 'a-shape:3': accepted are",
    "a-shape:3:4:5, Unknown attention 'a-shape:3:4:5': accepted are",
    "vertical-slash, Unknown attention 'vertical-slash': accepted are",
    "vertical-slash:3, Unknown attention 'vertical-slash:3': accepted are",
    "block-sparse:1:2, Unknown attention 'block-sparse:1:2': accepted are",
    "vertical-slash:x:3, 'x' is not a size; accepted are",
    "vertical-slash:3:, '' is not a size; accepted are",
    "a-shape:-1:5, '-1' is not a size; accepted are",
    "block-sparse:9999999999, '9999999999' is not a size; accepted are",
    "a-shape:5:0, A-shape 5:0: initial must be at least 0 and local at least 1",
    "vertical-slash:0:5, vertical-slash 0:5: both sizes must be at least 1",
    "vertical-slash:5:0, vertical-slash 5:0: both sizes must be at least 1",
    "block-sparse:0, block-sparse 0: at least 1 tile is needed",
    "block-sparse-only:3, Unknown attention 'block-sparse-only:3': accepted are",
    "vertical-slash-only:1:2, Unknown attention 'vertical-slash-only:1:2': accepted are",
    "tri-shape:1:2, Unknown attention 'tri-shape:1:2': accepted are",
    "dilated:1, Unknown attention 'dilated:1': accepted are",
    "strided:1:2, Unknown attention 'strided:1:2': accepted are",
    "vertical-only:0, vertical-only 0: at least 1 column is needed",
    "inf-llm:0:0:1, 'inf-llm 0:0:1: initial must be at least 0, local and blocks at least 1'",
    "top-k:0, top-k 0: at least 1 key is needed",
    "slash-only:0, slash-only 0: at least 1 distance is needed",
    "tri-shape:0:0:1, 'tri-shape 0:0:1: initial must be at least 0, local and last at least 1'",
    "tri-shape:0:1:0, 'tri-shape 0:1:0: initial must be at least 0, local and last at least 1'",
    "dilated:0:0, 'dilated window 0:0:0: initial and local must be at least 0, dilated at least 1'"
  })
  void wrongOptionsSayWhatIsAccepted(String option, String message) {
    assertThatThrownBy(() -> AttentionPlan.parse(option, null, 1, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(message);
  }

  @Test
  void patternFilesGoWithMinferenceAlone() {
    assertThatThrownBy(() -> AttentionPlan.parse("dense", "[{}]", 1, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "A pattern file needs --attention minference, vertical-slash-only, vertical-only, slash-only, static, without sizes, not 'dense'");
    for (String option : List.of("minference", "vertical-slash-only", "slash-only")) {
      assertThat(AttentionPlan.readsPatterns(option)).as(option).isTrue();
    }
    for (String option : List.of("dense", "slash-only:5", "vertical-slash:1:2", "flash")) {
      assertThat(AttentionPlan.readsPatterns(option)).as(option).isFalse();
    }
    assertThatThrownBy(() -> AttentionPlan.parse("slash-only:5", "[{}]", 1, 1))
        .hasMessageContaining("without sizes, not 'slash-only:5'");
  }

  @Test
  void theDigestFollowsThePatternsAndNothingElse() {
    String digest = AttentionPlan.parse("vertical-slash:100:800", null, 2, 2).digest();
    // Runs of earlier versions are resumed by it: this value must never change.
    assertThat(digest)
        .isEqualTo("cd0758766e76daabcc052d156ce71c0eca74afaa5fe1ed82cb480e2538887f3b");
    List<String> others =
        List.of(
            AttentionPlan.parse("vertical-slash:100:801", null, 2, 2).digest(),
            AttentionPlan.parse("vertical-slash:101:800", null, 2, 2).digest(),
            AttentionPlan.parse("vertical-slash:100:800", null, 2, 3).digest(),
            AttentionPlan.parse("vertical-slash:100:800", null, 3, 2).digest(),
            AttentionPlan.parse("a-shape:100:800", null, 2, 2).digest(),
            AttentionPlan.parse("dense", null, 2, 2).digest(),
            AttentionPlan.parse("minference", null, 2, 2).digest(),
            AttentionPlan.parse("inf-llm:100:800:1", null, 2, 2).digest(),
            AttentionPlan.parse("top-k:100", null, 2, 2).digest(),
            AttentionPlan.parse("static:100:800", null, 2, 2).digest(),
            AttentionPlan.parse("vertical-only:100", null, 2, 2).digest(),
            AttentionPlan.parse("slash-only:100", null, 2, 2).digest(),
            AttentionPlan.parse("slash-only:101", null, 2, 2).digest(),
            AttentionPlan.parse("tri-shape:100:800:1", null, 2, 2).digest(),
            AttentionPlan.parse("dilated:100:800", null, 2, 2).digest(),
            AttentionPlan.parse("strided:100:800:1", null, 2, 2).digest());
    assertThat(others).doesNotContain(digest).doesNotHaveDuplicates();

    String everyHead = "[\"vertical_and_slash\", 1000, 6096, 1]";
    String file = "[{\"0\": " + everyHead + ", \"1\": " + everyHead + "}, {}]";
    assertThat(AttentionPlan.parse("minference", file, 2, 2).digest())
        .isEqualTo(AttentionPlan.parse("minference", null, 2, 2).digest());
    // Scores decide nothing.
    assertThat(
            AttentionPlan.parse("minference", file.replace("6096, 1", "6096, 77"), 2, 2).digest())
        .isEqualTo(AttentionPlan.parse("minference", null, 2, 2).digest());
    // The default sizes are the same scores as the same sizes written out.
    assertThat(AttentionPlan.parse("a-shape", null, 1, 1).digest())
        .isEqualTo(AttentionPlan.parse("a-shape:1024:4096", null, 1, 1).digest());
    // An alias is the same scores too.
    assertThat(AttentionPlan.parse("block-sparse-only", null, 1, 1).digest())
        .isEqualTo(AttentionPlan.parse("block-sparse:100", null, 1, 1).digest());
  }

  @ParameterizedTest
  @EnumSource
  void modesSayWhatTheyAre(AttentionMode mode) {
    assertThat(mode.form()).startsWith(mode.word());
    assertThat(mode.summary()).isNotBlank();
    assertThat(mode.source()).isNotBlank();
    assertThat(AttentionMode.of(mode.word())).contains(mode);
    assertThat(AttentionMode.accepted()).contains(mode.form());
  }

  @Test
  void modesNameTheirSizesAndDefaults() {
    assertThat(AttentionMode.DENSE.form()).isEqualTo("dense");
    assertThat(AttentionMode.DENSE.defaults()).isEmpty();
    assertThat(AttentionMode.VERTICAL_SLASH.form()).isEqualTo("vertical-slash:V:S");
    assertThat(AttentionMode.VERTICAL_SLASH.defaults()).isEmpty();
    assertThat(AttentionMode.TRI_SHAPE.form()).isEqualTo("tri-shape[:INITIAL:LOCAL:LAST]");
    assertThat(AttentionMode.TRI_SHAPE.defaults()).isEqualTo("128:3968:100");
    assertThat(AttentionMode.SLASH_ONLY.form()).isEqualTo("slash-only[:S]");
    assertThat(AttentionMode.SLASH_ONLY.defaults()).isEqualTo("--patterns, else 1000:6096");
  }

  @ParameterizedTest
  @EnumSource
  void backendsWithoutAModeAreRefused(AttentionMode mode) {
    String option = mode == AttentionMode.VERTICAL_SLASH ? "vertical-slash:1:1" : mode.word();
    AttentionPlan plan = AttentionPlan.parse(option, null, 1, 1);
    assertThatCode(() -> plan.checkBackend("cpu")).doesNotThrowAnyException();
    if (mode.backends().contains("cuda")) {
      assertThatCode(() -> plan.checkBackend("cuda")).doesNotThrowAnyException();
    } else {
      assertThatThrownBy(() -> plan.checkBackend("cuda"))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage(
              "Cannot compute --attention %s by cuda: it is for analysis, and only cpu has it; use --backend cpu"
                  .formatted(option));
    }
  }

  @Test
  void staticAloneKeepsLines() {
    for (AttentionMode mode : AttentionMode.values()) {
      assertThat(AttentionPlan.keepsLines(mode.word()))
          .as(mode.word())
          .isEqualTo(mode == AttentionMode.STATIC);
    }
    assertThat(AttentionPlan.parse("static:100:800", null, 1, 1).keepsLines()).isTrue();
    assertThat(AttentionPlan.parse("vertical-slash:100:800", null, 1, 1).keepsLines()).isFalse();
  }

  static Stream<Arguments> refinedForms() {
    HeadPattern.VerticalSlash sizes = new HeadPattern.VerticalSlash(100, 800);
    return Stream.of(
        Arguments.of(
            "vertical-slash:100:800+probes:64",
            new HeadPattern.ChosenLines(sizes, new LineChoice(64, false))),
        Arguments.of(
            "vertical-slash:100:800+bands",
            new HeadPattern.ChosenLines(sizes, new LineChoice(0, true))),
        Arguments.of(
            "vertical-slash:100:800+bands+probes:512",
            new HeadPattern.ChosenLines(sizes, new LineChoice(512, true))));
  }

  @ParameterizedTest
  @MethodSource("refinedForms")
  void refinementsFollowBehindPluses(String option, HeadPattern pattern) {
    AttentionPlan plan = AttentionPlan.parse(option, null, 2, 3);
    assertThat(plan.name()).isEqualTo(option);
    assertThat(plan.layer(1)).hasSize(3).containsOnly(pattern);
    assertThat(plan.readsAllQueries()).isEqualTo(option.contains("probes"));
    assertThatCode(() -> plan.checkBackend("cpu")).doesNotThrowAnyException();
    assertThatCode(() -> plan.checkBackend("cuda")).doesNotThrowAnyException();
  }

  @Test
  void refinedHeadsOfATableKeepTheirPatternsAndTheDispatch() {
    String file =
        "[{\"0\": [\"stream_llm\", 100, 800, 1], \"1\": [\"vertical_and_slash\", 9, 8, 1]}]";
    String option = "minference+bands";
    assertThat(AttentionPlan.readsPatterns(option)).isTrue();
    assertThat(AttentionPlan.keepsLines("static+bands")).isTrue();
    AttentionPlan plan = AttentionPlan.parse(option, file, 1, 2);
    assertThat(plan.dispatch()).isTrue();
    HeadPattern.VerticalSlash sizes = new HeadPattern.VerticalSlash(9, 8);
    assertThat(plan.layer(0))
        .containsExactly(
            new HeadPattern.AShape(100, 800),
            new HeadPattern.ChosenLines(sizes, new LineChoice(0, true)));
    assertThat(plan.digest())
        .isNotEqualTo(AttentionPlan.parse("minference+probes:8", file, 1, 2).digest())
        .isNotEqualTo(AttentionPlan.parse("minference", file, 1, 2).digest());
  }

  @ParameterizedTest
  @CsvSource({
    "minference+, '+' is none of +probes:N; +bands",
    "minference+band, '+band' is none of +probes:N",
    "minference+bands:3, '+bands:3' is none of",
    "minference+bands+bands, +bands is there twice",
    "minference+probes, '+probes' is none of",
    "minference+probes:0, there are 1 to 512 probes; not 0",
    "minference+probes:513, there are 1 to 512 probes; not 513",
    "dense+bands, Cannot use --attention dense+bands: +bands needs heads that choose columns",
    "static:1:1+bands, Cannot use --attention static:1:1+bands: +bands needs heads that choose",
    "a-shape:1:1+bands, Cannot use --attention a-shape:1:1+bands: +bands needs heads",
    "vertical-only:9+probes:8, +probes:8 needs heads that choose columns and diagonals"
  })
  void wrongRefinementsSayWhatIsAccepted(String option, String message) {
    assertThatThrownBy(() -> AttentionPlan.parse(option, null, 1, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(message.replace(';', ','));
  }
}
