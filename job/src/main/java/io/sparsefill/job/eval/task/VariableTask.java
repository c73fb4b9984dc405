package io.sparsefill.job.eval.task;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Variable tracking: a number is given to a variable, that one to the next, and so on over four
 * assignments, hidden in their order between repeated lines; all five variables are asked for.
 * RULER's {@code variable_tracking.py}, one chain; its wording has a short worked example first.
 */
final class VariableTask {
  private static final int HOPS = 4;
  private static final int EXAMPLE_LINES = 10;

  /** A chain hidden between lines: the variables in order, their value, and where they stand. */
  private record Chain(List<String> variables, String value, List<Hidden> assignments) {
    static Chain draw(Draws draws, int letters) {
      Set<String> taken = new HashSet<>();
      List<String> variables = new ArrayList<>();
      List<Double> depths = new ArrayList<>();
      for (int i = 0; i <= HOPS; i++) {
        variables.add(draws.fresh(taken, () -> draws.letters('A', letters)));
        depths.add(Request.drawnDepth(draws));
      }
      Collections.sort(depths);
      String value = draws.number(5);
      List<Hidden> assignments = new ArrayList<>();
      for (int i = 0; i <= HOPS; i++) {
        String source = i == 0 ? value : "VAR " + variables.get(i - 1);
        assignments.add(new Hidden(depths.get(i), "VAR " + variables.get(i) + " = " + source));
      }
      return new Chain(variables, value, assignments);
    }

    String context(int lines) {
      return "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n"
          + String.join("\n", Hidden.among(Collections.nCopies(lines, Hidden.NOISE), assignments));
    }

    /** RULER's prompt ends with a space, which no tokenizer puts at the end of a token. */
    Question question() {
      return new Question(
          "\nQuestion: Find all variables that are assigned the value %2$s in the text above. Answer: According to the chain(s) of variable assignment in the text above, %1$s variables are assigned the value %2$s, they are:"
              .formatted(Integer.toString(variables.size()), value),
          variables.stream().map(variable -> new Answer("", " " + variable)).toList(),
          true);
    }
  }

  private VariableTask() {}

  /** A sample. */
  static Draft draft(Request request) {
    Chain chain = Chain.draw(request.draws("chain"), 5);
    Chain example = Chain.draw(request.draws("example"), 3);
    String head =
        request.plain()
            ? ""
            : example.context(EXAMPLE_LINES)
                + example.question().text()
                + example.question().answerText()
                + "\n\n";
    return new Draft(
        units -> new Draft.Body(head + chain.context(units), chain.question()),
        (from, to) -> Hidden.noise(to - from, "\n"),
        HOPS + 1,
        "line",
        Double.NaN);
  }
}
