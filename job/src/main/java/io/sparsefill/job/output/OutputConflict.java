package io.sparsefill.job.output;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/** The output folder holds documents that were made with another model or other settings. */
public final class OutputConflict extends OutputRefused {
  private static final long serialVersionUID = 1;

  private final List<String> differences;

  OutputConflict(String output, Map<String, String> stored, Map<String, String> wanted) {
    this(output, differences(stored, wanted));
  }

  private OutputConflict(String output, List<String> differences) {
    super(
        "Cannot add to "
            + output
            + ": its documents were made with other settings ("
            + String.join("; ", differences)
            + "); choose another --output, or the same settings");
    this.differences = List.copyOf(differences);
  }

  /** One line per differing field: {@code name: 'stored' there, 'wanted' here}. */
  public List<String> differences() {
    return differences;
  }

  private static List<String> differences(Map<String, String> stored, Map<String, String> wanted) {
    TreeSet<String> names = new TreeSet<>(stored.keySet());
    names.addAll(wanted.keySet());
    List<String> lines = new ArrayList<>();
    for (String name : names) {
      String there = stored.get(name);
      String here = wanted.get(name);
      if (there == null || !there.equals(here)) {
        lines.add(name + ": " + quoted(there) + " there, " + quoted(here) + " here");
      }
    }
    return lines;
  }

  private static String quoted(String value) {
    return value == null ? "nothing" : "'" + value + "'";
  }
}
