package io.sparsefill.job.command;

import java.util.ArrayList;
import java.util.List;

/** Rows of text in aligned columns: numbers to the right, all else to the left. */
final class TextTable {
  private final List<List<String>> rows = new ArrayList<>();

  /** With a head row. */
  TextTable(String... head) {
    rows.add(List.of(head));
  }

  /** Adds a row of as many cells as the head has. */
  TextTable row(Object... cells) {
    List<String> texts = new ArrayList<>();
    for (Object cell : cells) {
      texts.add(String.valueOf(cell));
    }
    if (texts.size() != rows.get(0).size()) {
      throw new IllegalArgumentException(
          "Cannot add a row of "
              + texts.size()
              + " cells: the table has "
              + rows.get(0).size()
              + " columns");
    }
    rows.add(texts);
    return this;
  }

  /** The table, one line per row, without a line end after the last. */
  @Override
  public String toString() {
    int columns = rows.get(0).size();
    int[] widths = new int[columns];
    for (List<String> row : rows) {
      for (int c = 0; c < columns; c++) {
        widths[c] = Math.max(widths[c], row.get(c).length());
      }
    }
    List<String> lines = new ArrayList<>();
    for (List<String> row : rows) {
      StringBuilder line = new StringBuilder();
      for (int c = 0; c < columns; c++) {
        String padding = " ".repeat(widths[c] - row.get(c).length());
        line.append(isNumeric(c) ? padding + row.get(c) : row.get(c) + padding).append("  ");
      }
      lines.add(line.toString().stripTrailing());
    }
    lines.add(1, "-".repeat(lines.stream().mapToInt(String::length).max().orElse(0)));
    return String.join("\n", lines);
  }

  private boolean isNumeric(int column) {
    return rows.size() > 1
        && rows.stream()
            .skip(1)
            .allMatch(row -> row.get(column).matches("[-+0-9.,:%]+( [kMGT]?i?B| s)?|-"));
  }
}
