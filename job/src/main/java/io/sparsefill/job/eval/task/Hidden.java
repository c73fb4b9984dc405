package io.sparsefill.job.eval.task;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * A line hidden among others.
 *
 * @param depth the share of the others' characters that stand before it, 0 to 1; the nearest border
 *     of two lines is taken
 * @param line the line
 */
record Hidden(double depth, String line) {
  /** The sentences that pass keys are hidden in, and RULER's simplest needles. */
  static final String NOISE =
      "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.";

  /** So many lines of noise, joined to what stands before them. */
  static String noise(int lines, String joiner) {
    return (joiner + NOISE).repeat(lines);
  }

  /** The lines with the hidden ones among them; equal places keep the order given. */
  static List<String> among(List<String> lines, List<Hidden> hidden) {
    long characters = lines.stream().mapToLong(String::length).sum();
    List<Hidden> sorted = new ArrayList<>(hidden);
    sorted.sort(Comparator.comparingDouble(Hidden::depth));
    List<String> all = new ArrayList<>(lines.size() + sorted.size());
    long passed = 0;
    int next = 0;
    for (String line : lines) {
      // Before this line, if its middle lies deeper.
      double middle = (passed + line.length() / 2.0) / characters;
      while (next < sorted.size() && sorted.get(next).depth <= middle) {
        all.add(sorted.get(next++).line);
      }
      all.add(line);
      passed += line.length();
    }
    for (Hidden needle : sorted.subList(next, sorted.size())) {
      all.add(needle.line);
    }
    return all;
  }
}
