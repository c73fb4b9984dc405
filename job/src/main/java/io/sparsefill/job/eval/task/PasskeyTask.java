package io.sparsefill.job.eval.task;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * Digits hidden between repeated lines: InfiniteBench's passkey and number string ({@code
 * data/construct_synthetic_dataset.py} and {@code src/prompt.py} of OpenBMB/InfiniteBench).
 */
final class PasskeyTask {
  private PasskeyTask() {}

  /** A sample of {@link Task#PASSKEY} or {@link Task#NUMBER_STRING}. */
  static Draft draft(Request request) {
    Draws draws = request.draws("key");
    boolean passkey = request.task() == Task.PASSKEY;
    String name = passkey ? "pass key" : "sequence of digits";
    String key = passkey ? draws.number(5) : doubled(draws);
    double depth = request.depthOr(draws);

    String blank = request.plain() ? "\n" : "\n\n";
    String head =
        "There is an important info hidden inside a lot of irrelevant text. Find it"
            + (passkey ? " and memorize them" : "")
            + ". I will quiz you about the important information there."
            + blank;
    Hidden needle =
        new Hidden(depth, "The %1$s is %2$s. Remember it. %2$s is the %1$s.".formatted(name, key));
    String joiner = request.plain() ? " " : "\n";
    String end = request.plain() ? " " : ""; // every sentence of the plain text ends with a space
    Question question =
        Question.of(
            "%1$sWhat is the %2$s?%3$sThe %2$s is"
                .formatted(blank, name, request.plain() ? " " : blank),
            " " + key + (request.plain() ? "." : ""));
    return new Draft(
        units -> {
          List<String> lines = Collections.nCopies(units, Hidden.NOISE);
          String context = String.join(joiner, Hidden.among(lines, List.of(needle)));
          return new Draft.Body(head + context + end, question);
        },
        (from, to) -> Hidden.noise(to - from, joiner),
        1,
        "line",
        depth);
  }

  /** Five digits, five of which are then doubled where they stand. */
  private static String doubled(Draws draws) {
    List<Integer> digits = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      digits.add(draws.below(10));
    }
    for (int i = 0; i < 5; i++) {
      int at = draws.below(digits.size());
      digits.add(at, digits.get(at));
    }
    StringBuilder text = new StringBuilder();
    digits.forEach(text::append);
    return text.toString();
  }
}
