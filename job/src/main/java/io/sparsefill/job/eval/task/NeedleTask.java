package io.sparsefill.job.eval.task;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.IntFunction;

/**
 * Needles: sentences that give a key a value, hidden in a text, between repeated lines, or between
 * sentences of their own kind. Wording and the tasks' shapes are RULER's ({@code
 * scripts/data/synthetic/niah.py} and {@code synthetic.yaml} of NVIDIA/RULER); its words come from
 * other lists here, its essays are the texts given, from a drawn sentence on.
 */
final class NeedleTask {
  private enum Hay {
    REPEATED,
    TEXT,
    NEEDLES
  }

  private enum Kind {
    WORDS,
    NUMBERS,
    UUIDS
  }

  /** Keys in the hay, values under each, and how many of the keys are asked for. */
  private record Shape(Hay hay, Kind key, Kind value, int keys, int values, int asked) {
    static Shape of(Task task) {
      return switch (task) {
        case NEEDLE, NIAH_SINGLE_2 -> new Shape(Hay.TEXT, Kind.WORDS, Kind.NUMBERS, 1, 1, 1);
        case NIAH_SINGLE_1 -> new Shape(Hay.REPEATED, Kind.WORDS, Kind.NUMBERS, 1, 1, 1);
        case NIAH_SINGLE_3 -> new Shape(Hay.TEXT, Kind.WORDS, Kind.UUIDS, 1, 1, 1);
        case NIAH_MULTIKEY_1 -> new Shape(Hay.TEXT, Kind.WORDS, Kind.NUMBERS, 4, 1, 1);
        case NIAH_MULTIKEY_2 -> new Shape(Hay.NEEDLES, Kind.WORDS, Kind.NUMBERS, 1, 1, 1);
        case NIAH_MULTIKEY_3 -> new Shape(Hay.NEEDLES, Kind.UUIDS, Kind.UUIDS, 1, 1, 1);
        case NIAH_MULTIVALUE -> new Shape(Hay.TEXT, Kind.WORDS, Kind.NUMBERS, 1, 4, 1);
        case NIAH_MULTIQUERY -> new Shape(Hay.TEXT, Kind.WORDS, Kind.NUMBERS, 4, 1, 4);
        default -> throw new IllegalArgumentException(task.label() + " hides no needles");
      };
    }
  }

  /** A needle: which key it gives a value. */
  private record Needle(String key, String value, double depth) {}

  private final Request request;
  private final Haystack haystack;
  private final Shape shape;
  private final Draws draws;

  /** Keys and values that a distractor must not have. */
  private final Set<String> taken = new HashSet<>();

  private NeedleTask(Request request, Haystack haystack) {
    this.request = request;
    this.haystack = haystack;
    this.shape = Shape.of(request.task());
    this.draws = request.draws("needles");
  }

  /** A sample of any of the needle tasks. */
  static Draft draft(Request request, Haystack haystack) {
    return new NeedleTask(request, haystack).draft();
  }

  private Draft draft() {
    List<Needle> needles = new ArrayList<>();
    int questions = request.task().manyKeys() ? request.questions() : 1;
    int keys = Math.max(shape.keys, questions);
    for (int k = 0; k < keys; k++) {
      String key = draws.fresh(taken, () -> drawnKey(draws));
      for (int v = 0; v < shape.values; v++) {
        // The first needles are those asked for.
        double depth = needles.isEmpty() ? request.depthOr(draws) : freshDepth(needles);
        needles.add(new Needle(key, draws.fresh(taken, () -> drawnValue(draws)), depth));
      }
    }
    IntFunction<List<String>> lines = lines();
    List<Hidden> hidden =
        needles.stream().map(n -> new Hidden(n.depth, sentence(n.key, n.value))).toList();
    String head = head();
    String joiner = shape.hay == Hay.TEXT || request.plain() ? " " : "\n";
    List<Question> asked = new ArrayList<>();
    for (int i = 0; i < questions; i++) {
      asked.add(question(needles.subList(i, i + shape.asked * shape.values)));
    }
    return new Draft(
        units ->
            new Draft.Body(
                head + String.join(joiner, Hidden.among(lines.apply(units), hidden)), asked),
        stretch(lines, joiner),
        1,
        shape.hay == Hay.TEXT ? "word" : "line",
        request.task().placed() ? needles.get(0).depth : Double.NaN);
  }

  /** RULER's needles of one sample lie at different depths. */
  private double freshDepth(List<Needle> needles) {
    double depth = Request.drawnDepth(draws);
    return needles.stream().anyMatch(n -> n.depth == depth) ? freshDepth(needles) : depth;
  }

  private Draft.Stretch stretch(IntFunction<List<String>> lines, String joiner) {
    if (shape.hay == Hay.TEXT) {
      return (from, to) -> " " + haystack.words(textStart() + from, to - from);
    }
    return (from, to) -> joiner + String.join(joiner, lines.apply(to).subList(from, to));
  }

  private int textStart() {
    return haystack.sentenceStart(request.draws("text"));
  }

  private IntFunction<List<String>> lines() {
    return switch (shape.hay) {
      case REPEATED -> units -> Collections.nCopies(units, Hidden.NOISE);
      case TEXT -> {
        int start = textStart();
        yield units -> haystack.sentences(start, units);
      }
      case NEEDLES -> {
        Draws others = request.draws("distractors");
        List<String> lines = new ArrayList<>();
        yield units -> {
          while (lines.size() < units) {
            lines.add(sentence(otherKey(others), otherValue(others)));
          }
          return lines.subList(0, units);
        };
      }
    };
  }

  /** A key that nobody asks for. */
  private String otherKey(Draws others) {
    String key = drawnKey(others);
    if (request.plain() && shape.key == Kind.WORDS) {
      key += "-" + others.pick(Words.NOUNS);
    }
    return taken.contains(key) ? otherKey(others) : key;
  }

  private String otherValue(Draws others) {
    String value = drawnValue(others);
    return taken.contains(value) ? otherValue(others) : value;
  }

  private String drawnKey(Draws from) {
    return shape.key == Kind.UUIDS
        ? from.uuid()
        : from.pick(request.plain() ? Words.NOUNS : Words.ADJECTIVES)
            + "-"
            + from.pick(Words.NOUNS);
  }

  private String drawnValue(Draws from) {
    return shape.value == Kind.UUIDS ? from.uuid() : from.number(7);
  }

  private String values() {
    return value() + "s";
  }

  private String value() {
    return shape.value == Kind.UUIDS ? "uuid" : "number";
  }

  private String sentence(String key, String value) {
    return "One of the special magic " + values() + " for " + key + " is: " + value + ".";
  }

  private boolean one() {
    return shape.values * shape.asked == 1;
  }

  private String head() {
    // RULER speaks of one where it asks for one; the test models were trained on the plural.
    boolean singular = one() && !request.plain();
    return "%1$s hidden within the following text. Make sure to memorize it. I will quiz you about the %2$s afterwards.\n"
        .formatted(
            singular
                ? "A special magic " + value() + " is"
                : "Some special magic " + values() + " are",
            singular ? value() : values());
  }

  private Question question(List<Needle> needles) {
    List<Needle> asked = new ArrayList<>(needles);
    if (shape.values > 1) {
      asked.sort(Comparator.comparingDouble(Needle::depth)); // as they are read
    }
    List<String> keys = asked.stream().map(Needle::key).distinct().toList();
    StringBuilder list = new StringBuilder();
    for (int i = 0; i < keys.size(); i++) {
      list.append(separator(i, keys.size())).append(' ').append(keys.get(i));
    }
    String question =
        one()
            ? "\nWhat is the special magic %1$s for%2$s mentioned in the provided text?"
                + " The special magic %1$s for%2$s mentioned in the provided text is"
            : "\nWhat are all the special magic %1$s for%2$s mentioned in the provided text?"
                + " The special magic %1$s for%2$s mentioned in the provided text are";
    List<Answer> answers = new ArrayList<>();
    for (int i = 0; i < asked.size(); i++) {
      String stop = request.plain() && i == asked.size() - 1 ? "." : "";
      answers.add(new Answer(separator(i, asked.size()), " " + asked.get(i).value + stop));
    }
    return new Question(
        question.formatted(one() ? value() : values(), list), answers, answers.size() > 1);
  }

  /** What stands before element i of a list in English. */
  private static String separator(int i, int count) {
    return i == 0 ? "" : i == count - 1 ? ", and" : ",";
  }
}
