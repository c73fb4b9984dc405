package io.sparsefill.job.eval.task;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What samples say. The oracle is a reader of the prompt who knows the benchmark and nothing of how
 * the sample was made, and finds the answer by searching.
 */
class TaskContentTest {
  private static final Pattern NEEDLE =
      Pattern.compile(
          "One of the special magic (numbers|uuids) for ([a-z0-9-]+) is: ([0-9a-f-]+)\\.");
  private static final double[] DEPTHS = {0, 0.25, 0.5, 1};

  static Stream<Arguments> needleTasks() {
    return Stream.of(Task.values())
        .filter(task -> task == Task.NEEDLE || task.label().startsWith("niah"))
        .flatMap(task -> Stream.of(Wording.values()).map(wording -> Arguments.of(task, wording)));
  }

  @ParameterizedTest
  @MethodSource("needleTasks")
  void needlesHoldTheAnswers(Task task, Wording wording) {
    for (double depth : DEPTHS) {
      Sample sample = sample(task, wording, task.placed() ? depth : Double.NaN, 11);
      Map<String, List<String>> values = new LinkedHashMap<>();
      Matcher needle = NEEDLE.matcher(sample.context());
      int needles = 0;
      while (needle.find()) {
        values.computeIfAbsent(needle.group(2), key -> new ArrayList<>()).add(needle.group(3));
        needles++;
      }
      Question question = sample.questions().get(0);
      Matcher asked =
          Pattern.compile(
                  "\nWhat .* special magic (\\w+) for (.*) mentioned in the provided text\\? The .*")
              .matcher(question.text());
      assertThat(asked.matches()).as(question.text()).isTrue();
      List<String> keys = Arrays.asList(asked.group(2).split(", and |, "));
      List<String> found = keys.stream().flatMap(key -> values.get(key).stream()).toList();
      assertThat(bare(question)).isEqualTo(found);

      boolean lines = task == Task.NIAH_MULTIKEY_2 || task == Task.NIAH_MULTIKEY_3;
      assertThat(found).hasSize(task.placed() ? 1 : 4);
      if (lines) {
        assertThat(needles).isGreaterThan(20);
      } else {
        assertThat(needles).isEqualTo(task.label().matches(".*multi(key|value|query).*") ? 4 : 1);
      }
      boolean uuids = task == Task.NIAH_SINGLE_3 || task == Task.NIAH_MULTIKEY_3;
      assertThat(asked.group(1)).startsWith(uuids ? "uuid" : "number");
      assertThat(found).allMatch(value -> value.length() == (uuids ? 36 : 7));
      if (task.placed()) {
        String context = body(sample.context(), "afterwards.\n");
        double at = context.indexOf("for " + keys.get(0) + " is") / (double) context.length();
        assertThat(at).as("depth").isBetween(depth - 0.05, depth + 0.05);
        assertThat(sample.depth()).isEqualTo(depth);
      } else {
        assertThat(sample.depth()).isNaN();
      }
    }
  }

  @ParameterizedTest
  @MethodSource("needleTasks")
  void plainAnswersAreClosedAndRulersAreNot(Task task, Wording wording) {
    Sample sample = sample(task, wording, Double.NaN, 3);
    String answer = sample.questions().get(0).answerText();
    assertThat(answer).startsWith(" ");
    assertThat(answer.endsWith(".")).isEqualTo(wording == Wording.PLAIN);
    boolean one = task.placed() && wording == Wording.RULER;
    assertThat(sample.context()).startsWith(one ? "A special magic " : "Some special magic ");
  }

  @ParameterizedTest
  @EnumSource(Wording.class)
  void pairsAreJsonAndHoldTheValue(Wording wording) throws Exception {
    for (double depth : DEPTHS) {
      Sample sample = sample(Task.KV, wording, depth, 5);
      String json = sample.context().substring(sample.context().indexOf('{')).replace(", }", "}");
      JsonNode object = new ObjectMapper().readTree(json);
      Question question = sample.questions().get(0);
      Matcher key =
          Pattern.compile("\n+Key: \"(.*)\"\nThe value associated .* key is: \"")
              .matcher(question.text());
      assertThat(key.matches()).isTrue();
      assertThat(question.answerText())
          .isEqualTo(object.path(key.group(1)).asText() + (wording == Wording.PLAIN ? "\"" : ""));
      List<String> keys = new ArrayList<>();
      object.fieldNames().forEachRemaining(keys::add);
      assertThat(sample.context().split("\": \"", -1)).as("no key twice").hasSize(keys.size() + 1);
      assertThat(keys.indexOf(key.group(1)))
          .isBetween(
              (int) Math.floor(depth * (keys.size() - 1)),
              (int) Math.ceil(depth * (keys.size() - 1)));
    }
  }

  @ParameterizedTest
  @EnumSource(Wording.class)
  void digitsAreHiddenOnce(Wording wording) {
    Map<Task, String> forms =
        Map.of(
            Task.PASSKEY, "The pass key is ([0-9]{5})\\. Remember it\\. \\1 is the pass key\\.",
            Task.NUMBER_STRING,
                "The sequence of digits is ([0-9]{10})\\. Remember it\\. \\1 is the sequence of digits\\.");
    forms.forEach(
        (task, form) -> {
          for (double depth : DEPTHS) {
            Sample sample = sample(task, wording, depth, 2);
            String context = body(sample.context(), "information there.\n");
            Matcher key = Pattern.compile(form).matcher(context);
            assertThat(key.find()).isTrue();
            assertThat(bare(sample.questions().get(0))).containsExactly(key.group(1));
            assertThat(key.start() / (double) context.length())
                .isBetween(depth - 0.05, depth + 0.05);
            assertThat(key.find()).as("once").isFalse();
          }
        });
  }

  /** InfiniteBench doubles five of five digits in place: ten digits, at most five runs. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6})
  void digitsOfANumberStringAreDoubled(long seed) {
    String digits =
        bare(sample(Task.NUMBER_STRING, Wording.RULER, 0.5, seed).questions().get(0)).get(0);
    assertThat(digits.replaceAll("(.)\\1*", "$1").length()).isLessThanOrEqualTo(5);
  }

  @ParameterizedTest
  @EnumSource(Wording.class)
  void variablesGetTheValueOverFourAssignments(Wording wording) {
    Sample sample = sample(Task.VT, wording, Double.NaN, 9);
    Question question = sample.questions().get(0);
    Matcher asked =
        Pattern.compile(
                "\nQuestion: .* the value ([0-9]{5}) in the text above\\. Answer: .* above, 5 variables are assigned the value \\1, they are:")
            .matcher(question.text());
    assertThat(asked.matches()).isTrue();
    // Reads the assignments in order, as an interpreter would.
    Map<String, String> variables = new LinkedHashMap<>();
    int hops = 0;
    Matcher assignment =
        Pattern.compile("VAR ([A-Z]+) = (?:VAR )?(\\w+)").matcher(sample.context());
    while (assignment.find()) {
      String value = assignment.group(2);
      hops += variables.containsKey(value) ? 1 : 0;
      variables.put(assignment.group(1), variables.getOrDefault(value, value));
    }
    List<String> found =
        variables.keySet().stream()
            .filter(name -> variables.get(name).equals(asked.group(1)))
            .toList();
    assertThat(bare(question)).isEqualTo(found).hasSize(5);
    assertThat(question.anyOrder()).isTrue();
    boolean example = wording == Wording.RULER;
    assertThat(hops).as("hops, the worked example's too").isEqualTo(example ? 8 : 4);
    assertThat(variables).as("no other variables").hasSize(example ? 10 : 5);
  }

  @ParameterizedTest
  @EnumSource(Wording.class)
  void commonWordsAreTenTimesAsFrequent(Wording wording) {
    for (int length : new int[] {3_000, 6_000}) {
      Sample sample = sample(Task.CWE, wording, Double.NaN, length, 4);
      String list = sample.context().substring(sample.context().lastIndexOf("often.\n") + 7);
      List<String> words = new ArrayList<>();
      Matcher item = Pattern.compile("([0-9]+)\\. ([a-z-]+)").matcher(list);
      while (item.find()) {
        words.add(item.group(2));
        assertThat(item.group(1)).isEqualTo(Integer.toString(words.size()));
      }
      Map<String, Long> counts =
          words.stream().collect(Collectors.groupingBy(word -> word, Collectors.counting()));
      long often = length < 4_096 ? 6 : 30;
      long seldom = length < 4_096 ? 1 : 3;
      assertThat(counts.values()).containsOnly(often, seldom);
      List<String> common =
          words.stream().distinct().filter(word -> counts.get(word) == often).toList();
      Question question = sample.questions().get(0);
      assertThat(bare(question)).isEqualTo(common).hasSize(10);
      assertThat(question.answerText()).startsWith(" 1. " + common.get(0) + " 2. ");
      assertThat(sample.context().contains("Question: What are the 10 most common words"))
          .as("worked example")
          .isEqualTo(wording == Wording.RULER);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {700, 1_001, 5_000, 20_000})
  void frequenciesFallWithTheSquareOfTheRank(int length) {
    Sample sample = sample(Task.FWE, Wording.RULER, Double.NaN, length, 6);
    String coded = sample.context().substring(sample.context().indexOf("words. ") + 7);
    Map<String, Long> counts =
        Arrays.stream(coded.split(" "))
            .collect(Collectors.groupingBy(word -> word, Collectors.counting()));
    List<String> ranked =
        counts.keySet().stream()
            .sorted((a, b) -> Long.compare(counts.get(b), counts.get(a)))
            .toList();
    assertThat(ranked.get(0)).isEqualTo("...");
    assertThat(bare(sample.questions().get(0))).isEqualTo(ranked.subList(1, 4));
    long first = counts.get("...");
    for (int rank = 2; rank <= 4; rank++) {
      assertThat(counts.get(ranked.get(rank - 1)))
          .as("rank " + rank)
          .isBetween(first / (rank * rank) - 1, (first + 1) / (rank * rank))
          .isGreaterThan(counts.getOrDefault(ranked.get(rank), 0L));
    }
    assertThat(ranked.subList(1, ranked.size())).allMatch(word -> word.matches("[a-z]{6}"));
  }

  /** The oracle is the text itself. */
  @ParameterizedTest
  @ValueSource(ints = {10, 999, 20_000})
  void perplexityReadsTheBeginningAsItStands(int length) {
    Samples samples = new Samples(Wording.PLAIN, TestTexts.NOVEL, TestTexts.pieces());
    Sample sample = samples.perplexity(0, length);
    String text = TestTexts.NOVEL.texts().get(0).content();
    assertThat(text).startsWith(sample.context());
    assertThat(sample.questions()).isEmpty();
    assertThat(text.charAt(sample.context().length())).as("cut after a word").isIn(' ', '\n');
    assertThat(TestTexts.pieces().applyAsInt(sample.context())).isBetween(length - 5, length);
  }

  /**
   * Words around the needle are those of the novel, in order, from a sentence on, around its end.
   */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void theTextAroundANeedleIsTheNovel(long seed) {
    String context = body(sample(Task.NEEDLE, Wording.RULER, 0.5, seed).context(), "afterwards.\n");
    String around = NEEDLE.matcher(context).replaceFirst("").replaceAll("\\s+", " ");
    String all =
        TestTexts.NOVEL.texts().stream()
            .map(text -> text.content().replace("\uFEFF", "").strip())
            .collect(Collectors.joining(" "))
            .replaceAll("\\s+", " ");
    int at = (all + " " + all).indexOf(around);
    assertThat(at).isNotNegative();
    assertThat(all.substring(Math.max(0, at - 2), at)).matches("|.*[.!?”\")_’'] ");
  }

  private static Sample sample(Task task, Wording wording, double depth, long seed) {
    return sample(task, wording, depth, 3_000, seed);
  }

  private static Sample sample(Task task, Wording wording, double depth, int length, long seed) {
    return new Samples(wording, TestTexts.NOVEL, TestTexts.pieces())
        .sample(
            task,
            length,
            Double.isNaN(depth) ? OptionalDouble.empty() : OptionalDouble.of(depth),
            seed);
  }

  private static String body(String context, String head) {
    return context.substring(context.indexOf(head) + head.length());
  }

  /** The answers without what opens and closes them. */
  private static List<String> bare(Question question) {
    return question.answers().stream()
        .map(answer -> answer.text().strip().replaceAll("[.\"]$", ""))
        .toList();
  }
}
