package io.sparsefill.job.eval.task;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.IntFunction;

/**
 * A JSON object of pairs of UUIDs, the value of one key asked for: InfiniteBench's kv_retrieval
 * ({@code data/construct_synthetic_dataset.py} of OpenBMB/InfiniteBench).
 */
final class KeyValueTask {
  private static final String HEAD =
      "Extract the value corresponding to the specified key in the JSON object below.\n\n"
          + "JSON data:\n{";

  private KeyValueTask() {}

  /** A sample. */
  static Draft draft(Request request) {
    Draws draws = request.draws("asked");
    Set<String> taken = new HashSet<>();
    List<Hidden> asked = new ArrayList<>();
    List<Question> questions = new ArrayList<>();
    while (questions.size() < request.questions()) {
      double depth = questions.isEmpty() ? request.depthOr(draws) : Request.drawnDepth(draws);
      String key = draws.fresh(taken, draws::uuid);
      String value = draws.fresh(taken, draws::uuid);
      asked.add(new Hidden(depth, pair(key, value)));
      questions.add(
          Question.of(
              "%sKey: \"%s\"\nThe value associated with the specified key is: \""
                  .formatted(request.plain() ? "\n\n" : "\n", key),
              request.plain() ? value + "\"" : value));
    }
    Draws others = request.draws("others");
    List<String> pairs = new ArrayList<>();
    String end = request.plain() ? ", }" : "}";
    IntFunction<List<String>> first =
        units -> {
          while (pairs.size() < units) {
            pairs.add(pair(others.fresh(taken, others::uuid), others.fresh(taken, others::uuid)));
          }
          return pairs.subList(0, units);
        };
    return new Draft(
        units -> {
          String json = String.join(", ", Hidden.among(first.apply(units), asked));
          return new Draft.Body(HEAD + json + end, questions);
        },
        (from, to) -> ", " + String.join(", ", first.apply(to).subList(from, to)),
        1,
        "pair",
        asked.get(0).depth());
  }

  private static String pair(String key, String value) {
    return "\"" + key + "\": \"" + value + "\"";
  }
}
