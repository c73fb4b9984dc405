package io.sparsefill.job.report;

import java.util.List;
import java.util.regex.Pattern;

/**
 * Rows of text. A column whose cells are all numbers or dashes stands to the right.
 *
 * @param title heading; may be empty
 * @param head names of the columns
 * @param rows rows of as many cells
 */
public record Table(String title, List<String> head, List<List<String>> rows) implements Part {
  private static final Pattern NUMBER =
      Pattern.compile("[-−+]?[0-9][0-9.,]*(e[-+]?[0-9]+)?( ?[%KMGBTs])?|–|[-−]?∞|");

  /** Checks the rows' widths. */
  public Table {
    head = List.copyOf(head);
    rows = rows.stream().map(List::copyOf).toList();
    for (List<String> row : rows) {
      if (row.size() != head.size()) {
        throw new IllegalArgumentException(
            "Cannot make the table '%s': a row has %d cells, the head %d"
                .formatted(title, row.size(), head.size()));
      }
    }
  }

  @Override
  public String html() {
    boolean[] numbers = new boolean[head.size()];
    for (int c = 0; c < numbers.length; c++) {
      int column = c;
      numbers[c] =
          !rows.isEmpty()
              && rows.stream().allMatch(row -> NUMBER.matcher(row.get(column)).matches());
    }
    Markup out = new Markup();
    out.open("div", "class", "table").open("table");
    if (!title.isEmpty()) {
      out.element("caption", title);
    }
    out.open("thead").open("tr");
    for (int c = 0; c < numbers.length; c++) {
      out.element("th", head.get(c), "scope", "col", "class", side(numbers[c]));
    }
    out.close().close().open("tbody");
    for (List<String> row : rows) {
      out.open("tr");
      for (int c = 0; c < numbers.length; c++) {
        out.element("td", row.get(c), "class", side(numbers[c]));
      }
      out.close();
    }
    return out.close().close().close().toString();
  }

  private static String side(boolean number) {
    return number ? "number" : "text";
  }

  /** A table that is folded away until it is asked for; nothing where it has no rows. */
  static Markup onDemand(Markup out, Table table) {
    if (table.rows().isEmpty()) {
      return out;
    }
    return out.open("details")
        .element("summary", "Values (" + Unit.COUNT.format(table.rows().size()) + ")")
        .part(table.html())
        .close();
  }
}
