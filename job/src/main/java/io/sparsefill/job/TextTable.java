package io.sparsefill.job;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Rows of text in aligned columns: numbers to the right, all else to the left. Control characters,
 * which a document's name may hold, become spaces.
 */
public final class TextTable {
  private static final Pattern NUMBER =
      Pattern.compile("[-+]?[0-9.,:]+(e[-+]?[0-9]+)?( ?(s|min|%|[KMGTP]?i?B))?|-");

  private final List<String[]> rows = new ArrayList<>();

  /** With a head row. */
  public TextTable(String... head) {
    rows.add(head);
  }

  /** Adds a row of as many cells as the head has. */
  public TextTable add(Object... cells) {
    if (cells.length != rows.get(0).length) {
      throw new IllegalArgumentException(
          "Cannot add a row of %d cells: the table has %d columns"
              .formatted(cells.length, rows.get(0).length));
    }
    rows.add(
        Arrays.stream(cells)
            .map(cell -> String.valueOf(cell).replaceAll("\\p{Cntrl}", " "))
            .toArray(String[]::new));
    return this;
  }

  /** The head, a rule and the rows. */
  public List<String> lines() {
    int columns = rows.get(0).length;
    int[] widths = new int[columns];
    boolean[] numbers = new boolean[columns];
    for (int c = 0; c < columns; c++) {
      int column = c;
      widths[c] = rows.stream().mapToInt(row -> width(row[column])).max().orElse(0);
      numbers[c] =
          rows.size() > 1
              && rows.stream().skip(1).allMatch(row -> NUMBER.matcher(row[column]).matches());
    }
    List<String> lines = new ArrayList<>();
    for (String[] row : rows) {
      StringBuilder line = new StringBuilder();
      for (int c = 0; c < columns; c++) {
        String gap = " ".repeat(widths[c] - width(row[c]));
        line.append(c == 0 ? "" : "  ").append(numbers[c] ? gap + row[c] : row[c] + gap);
      }
      lines.add(line.toString().stripTrailing());
    }
    lines.add(1, "-".repeat(Arrays.stream(widths).sum() + 2 * (columns - 1)));
    return lines;
  }

  /** The lines, without a line end after the last. */
  @Override
  public String toString() {
    return String.join("\n", lines());
  }

  private static int width(String cell) {
    return cell.codePointCount(0, cell.length());
  }
}
