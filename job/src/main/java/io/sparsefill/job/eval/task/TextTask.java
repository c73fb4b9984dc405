package io.sparsefill.job.eval.task;

import java.util.Arrays;
import java.util.List;

/** The beginning of a text as it stands, white space included, as PG-19's books are measured. */
final class TextTask {
  private TextTask() {}

  /** A sample without a question. */
  static Draft draft(Haystack.Text text) {
    int[] ends = wordEnds(text.content());
    if (ends.length == 0) {
      throw new IllegalArgumentException(
          "Cannot read the text '" + text.name() + "': it holds no word");
    }
    return new Draft(
        words -> new Draft.Body(text.content().substring(0, ends[words - 1]), List.of()),
        (from, to) -> text.content().substring(ends[from - 1], ends[to - 1]),
        1,
        ends.length,
        "word",
        Double.NaN);
  }

  /** Index behind each word. */
  private static int[] wordEnds(String content) {
    int[] ends = new int[1024];
    int count = 0;
    for (int at = 0; (at = Haystack.skip(content, at, true)) < content.length(); ) {
      at = Haystack.skip(content, at, false);
      ends = count == ends.length ? Arrays.copyOf(ends, 2 * count) : ends;
      ends[count++] = at;
    }
    return Arrays.copyOf(ends, count);
  }
}
