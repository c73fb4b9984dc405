package io.sparsefill.job.eval.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.ToIntFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Sizes, sameness and refusals of samples; what they say is tested task by task. */
class SamplesTest {
  private static final OptionalDouble ANY = OptionalDouble.empty();

  static Stream<Arguments> tasksAndWordings() {
    return Stream.of(Task.values())
        .filter(task -> task != Task.PPL)
        .flatMap(task -> Stream.of(Wording.values()).map(wording -> Arguments.of(task, wording)));
  }

  /** The oracle is the tokenizer's count of the whole text, and of the largest unit there is. */
  @ParameterizedTest
  @MethodSource("tasksAndWordings")
  void fillsTheLengthToWithinAUnit(Task task, Wording wording) {
    ToIntFunction<String> tokens = text -> TestTexts.needle2m().apply(text).length;
    int unit =
        switch (task) {
          case NEEDLE,
              NIAH_SINGLE_2,
              NIAH_SINGLE_3,
              NIAH_MULTIKEY_1,
              NIAH_MULTIVALUE,
              NIAH_MULTIQUERY ->
              tokens.applyAsInt(" circumstantially");
          case NIAH_SINGLE_1, PASSKEY, NUMBER_STRING, VT -> tokens.applyAsInt(Hidden.NOISE + "\n");
          case NIAH_MULTIKEY_2 -> 45;
          case NIAH_MULTIKEY_3, KV -> 110;
          case CWE -> 3 * 16;
          case FWE -> 5 * 8;
          case PPL -> throw new IllegalStateException();
        };
    Samples samples = new Samples(wording, TestTexts.NOVEL, tokens);
    // This tokenizer takes so many tokens for a digit and a word that RULER's list needs 6,000.
    int ruler = task == Task.CWE ? 6_000 : 4_096;
    for (int length : new int[] {1_729, 4_095, ruler, 9_001}) {
      Sample sample = samples.sample(task, length, ANY, length);
      assertThat(sample.questions()).hasSize(1);
      Question question = sample.questions().get(0);
      int used = tokens.applyAsInt(sample.context() + question.text() + question.answerText());
      assertThat(used).as("%d tokens", length).isBetween(length - unit, length);
    }
  }

  /** The oracle is a hash that was pinned when the samples were read by eye. */
  @Test
  void samplesStayTheSame() throws Exception {
    MessageDigest sha = MessageDigest.getInstance("SHA-256");
    for (Wording wording : Wording.values()) {
      Samples samples = new Samples(wording, TestTexts.NOVEL, TestTexts.pieces());
      for (Task task : Task.values()) {
        Sample sample =
            task == Task.PPL ? samples.perplexity(0, 3_000) : samples.sample(task, 3_000, ANY, 42);
        sha.update(sample.toString().getBytes(StandardCharsets.UTF_8));
      }
    }
    assertThat(HexFormat.of().formatHex(sha.digest()))
        .isEqualTo("fb3b90e9e386831fc9b93af72a4dafb6d96fb1cd6ab5c63071452df6ae69db4f");
  }

  /** A locale whose numbers have digits of their own. */
  @ParameterizedTest
  @MethodSource("tasksAndWordings")
  void samplesAreTheSameInEveryLocale(Task task, Wording wording) {
    Sample here = sample(task, wording, 3_000, ANY, 7);
    Locale before = Locale.getDefault();
    Locale.setDefault(Locale.forLanguageTag("ar-EG-u-nu-arab"));
    try {
      Sample there = sample(task, wording, 3_000, ANY, 7);
      assertThat(there).isEqualTo(here);
      assertThat(there.id()).isEqualTo(here.id());
    } finally {
      Locale.setDefault(before);
    }
  }

  @ParameterizedTest
  @MethodSource("tasksAndWordings")
  void sameSeedSameSampleOtherSeedOther(Task task, Wording wording) {
    Sample first = sample(task, wording, 3_000, ANY, 7);
    assertThat(sample(task, wording, 3_000, ANY, 7)).isEqualTo(first);
    Sample other = sample(task, wording, 3_000, ANY, 8);
    assertThat(other.questions()).isNotEqualTo(first.questions());
    assertThat(other.context()).isNotEqualTo(first.context());
    assertThat(other.id()).isNotEqualTo(first.id());
  }

  /** The oracle is the tokenizer's count of every question. */
  @ParameterizedTest
  @EnumSource(value = Task.class, mode = EnumSource.Mode.EXCLUDE, names = "PPL")
  void contextsOfManyKeysTakeSeveralQuestions(Task task) {
    ToIntFunction<String> tokens = text -> TestTexts.needle2m().apply(text).length;
    Sample sample =
        new Samples(Wording.PLAIN, TestTexts.NOVEL, tokens, 6).sample(task, 3_000, ANY, 4);
    assertThat(sample.questions()).hasSize(task.manyKeys() ? 6 : 1).doesNotHaveDuplicates();
    int most = 0;
    for (Question question : sample.questions()) {
      most =
          Math.max(
              most, tokens.applyAsInt(sample.context() + question.text() + question.answerText()));
      if (task.manyKeys()) {
        String value = question.answerText().strip().replaceAll("[.\"]$", "");
        assertThat(sample.context()).containsOnlyOnce(value);
      }
    }
    assertThat(most).isBetween(2_850, 3_000);
  }

  @Test
  void looksAtFewWholeTextsOfAHundredThousandTokens() {
    AtomicLong counted = new AtomicLong();
    ToIntFunction<String> counting =
        text -> {
          counted.addAndGet(text.length());
          return TestTexts.pieces().applyAsInt(text);
        };
    Samples samples = new Samples(Wording.RULER, TestTexts.NOVEL, counting);
    for (Task task : Task.values()) {
      if (task != Task.PPL) {
        counted.set(0);
        Sample sample = samples.sample(task, 131_072, ANY, 1);
        // Words that lie scattered are counted in whole texts only.
        int most = task == Task.CWE || task == Task.FWE ? 10 : 4;
        assertThat(counted.get() / (double) sample.context().length())
            .as("texts counted for " + task.label())
            .isLessThanOrEqualTo(most);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("tasksAndWordings")
  void tooShortALengthSaysHowMuchIsNeeded(Task task, Wording wording) {
    assertThatThrownBy(() -> sample(task, wording, 40, ANY, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("Cannot make a sample of " + task.label() + " of 40 tokens: ")
        .hasMessageMatching(
            ".*: the smallest, of [0-9]+ (word|line|pair)s?, takes [0-9,]+; ask for a longer one");
  }

  @Test
  void aLengthBeyondTheWordsThatThereAreIsRefused() {
    assertThatThrownBy(() -> sample(Task.CWE, Wording.PLAIN, 5_000_000, ANY, 1))
        .hasMessageMatching(
            "Cannot make a sample of cwe of 5,000,000 tokens: the largest, of [0-9,]+ words, takes [0-9,]+; ask for a shorter one");
    Samples samples = new Samples(Wording.PLAIN, TestTexts.NOVEL, TestTexts.pieces());
    assertThatThrownBy(() -> samples.perplexity(1, 1_000))
        .hasMessage(
            "Cannot read 1,000 tokens from the start of the text 'scraps': the largest, of 8 words, takes 27; ask for a shorter one");
  }

  @Test
  void textsThatAreNotThereAreRefused() {
    Haystack blank =
        new Haystack(
            List.of(new Haystack.Text("one", "a word"), new Haystack.Text("blank", " \n")));
    Samples samples = new Samples(Wording.PLAIN, blank, TestTexts.pieces());
    assertThatThrownBy(() -> samples.perplexity(2, 100))
        .hasMessage("Cannot read text 2: there are 2, counted from 0");
    assertThatThrownBy(() -> samples.perplexity(1, 100))
        .hasMessage("Cannot read the text 'blank': it holds no word");
    assertThatThrownBy(() -> samples.sample(Task.PPL, 100, ANY, 1))
        .hasMessage("Cannot draw a sample of ppl: it reads texts one by one");
  }

  @Test
  void depthsAreCheckedAndTasksWithoutOneRefuseIt() {
    OptionalDouble half = OptionalDouble.of(0.5);
    assertThatThrownBy(() -> sample(Task.VT, Wording.RULER, 3_000, half, 1))
        .hasMessage("Cannot put the answers of vt at depth 0.5: they lie at several places");
    for (double bad : new double[] {-0.1, 1.01, Double.NaN}) {
      assertThatThrownBy(() -> sample(Task.NEEDLE, Wording.RULER, 3_000, OptionalDouble.of(bad), 1))
          .hasMessage("Cannot hide anything at depth " + bad + ": depths are from 0 to 1");
    }
    assertThat(sample(Task.NEEDLE, Wording.RULER, 3_000, half, 1).id())
        .isEqualTo("needle-3000-d0.50-s1");
    assertThat(sample(Task.VT, Wording.RULER, 3_000, ANY, 1).id()).isEqualTo("vt-3000-s1");
  }

  @Test
  void questionsAreCounted() {
    for (int bad : new int[] {0, 41}) {
      assertThatThrownBy(() -> new Samples(Wording.PLAIN, TestTexts.NOVEL, TestTexts.pieces(), bad))
          .hasMessage("Cannot ask " + bad + " questions about a context: 1 to 40 are possible");
    }
  }

  @Test
  void tasksInTextsNeedTexts() {
    Samples bare = new Samples(Wording.RULER, null, TestTexts.pieces());
    assertThatThrownBy(() -> bare.sample(Task.NEEDLE, 3_000, ANY, 1))
        .hasMessage("Cannot make a sample of needle without a text: give text files");
    assertThatThrownBy(() -> bare.perplexity(0, 3_000))
        .hasMessage("Cannot make a sample of ppl without a text: give text files");
    assertThat(bare.sample(Task.NIAH_SINGLE_1, 3_000, ANY, 1).context()).contains(Hidden.NOISE);
    assertThatThrownBy(() -> new Haystack(List.of(new Haystack.Text("empty", " \n\uFEFF"))))
        .hasMessage("Cannot hide anything in 1 texts without a word");
  }

  @Test
  void namesOfTasksAndWordings() {
    assertThat(Task.parse("needle, kv,passkey,ppl"))
        .containsExactly(Task.NEEDLE, Task.KV, Task.PASSKEY, Task.PPL);
    assertThat(Task.parse("vt,ruler")).hasSize(11).startsWith(Task.VT, Task.NIAH_SINGLE_1);
    assertThat(Task.parse("infinitebench,number-string"))
        .containsExactly(Task.PASSKEY, Task.NUMBER_STRING, Task.KV);
    assertThatThrownBy(() -> Task.parse("needle,"))
        .hasMessageStartingWith("Unknown task '': accepted are ruler, infinitebench, needle, ");
    assertThat(Wording.parse("plain")).isEqualTo(Wording.PLAIN);
    assertThatThrownBy(() -> Wording.parse("PLAIN"))
        .hasMessage("Unknown wording 'PLAIN': accepted are ruler and plain");
  }

  private static Sample sample(
      Task task, Wording wording, int length, OptionalDouble depth, long seed) {
    return new Samples(wording, TestTexts.NOVEL, TestTexts.pieces())
        .sample(task, length, depth, seed);
  }
}
