package io.sparsefill.kernels.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The figures of one run: each row goes to standard error as it comes; the tables go to standard
 * output as Markdown, and into a JSON file, where every table is a list of objects that are keyed
 * by the columns' names.
 */
public final class Report {
  private final String bench;
  private final Map<String, String> environment;
  private final List<Table> tables = new ArrayList<>();

  /**
   * Starts one.
   *
   * @param bench the benchmark's name
   * @param environment device, versions and what else decides about the figures
   */
  public Report(String bench, Map<String, String> environment) {
    this.bench = bench;
    this.environment = environment;
  }

  /** Starts a table. */
  public Table table(String name, String... columns) {
    Table table = new Table(name, List.of(columns));
    tables.add(table);
    return table;
  }

  /** Prints the tables that have rows. */
  public void print() {
    System.out.println("## " + bench + "\n");
    environment.forEach((name, value) -> System.out.println("- " + name + ": " + value));
    tables.stream().filter(table -> !table.rows.isEmpty()).forEach(Table::print);
  }

  /**
   * Writes what there is so far.
   *
   * @param file where the JSON goes, or null for nowhere
   */
  public void save(String file) throws IOException {
    if (file == null) {
      return;
    }
    Map<String, Object> rows = new LinkedHashMap<>();
    tables.stream()
        .filter(table -> !table.rows.isEmpty())
        .forEach(table -> rows.put(table.name, table.rows));
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("bench", bench);
    all.put("environment", environment);
    all.put("tables", rows);
    new ObjectMapper()
        .enable(SerializationFeature.INDENT_OUTPUT)
        .writeValue(Path.of(file).toFile(), all);
  }

  /** One table. */
  public final class Table {
    private final String name;
    private final List<String> columns;
    private final List<Map<String, Object>> rows = new ArrayList<>();

    private Table(String name, List<String> columns) {
      this.name = name;
      this.columns = columns;
    }

    /**
     * Adds a row: strings, integers, floating-point numbers, or null for a cell that does not
     * apply.
     */
    public void row(Object... cells) {
      if (cells.length != columns.size()) {
        throw new IllegalArgumentException(
            "%d cells for the %d columns of '%s'".formatted(cells.length, columns.size(), name));
      }
      Map<String, Object> row = new LinkedHashMap<>();
      for (int i = 0; i < cells.length; i++) {
        row.put(columns.get(i), cells[i]);
      }
      rows.add(row);
      System.err.println(name + ": " + line(row));
    }

    private void print() {
      System.out.println("\n### " + name + "\n");
      System.out.println("| " + String.join(" | ", columns) + " |");
      System.out.println("|" + " --- |".repeat(columns.size()));
      rows.forEach(row -> System.out.println(line(row)));
    }
  }

  private static String line(Map<String, Object> row) {
    StringBuilder line = new StringBuilder("|");
    row.values().forEach(cell -> line.append(' ').append(text(cell)).append(" |"));
    return line.toString();
  }

  private static String text(Object cell) {
    if (cell == null) {
      return "";
    }
    if (cell instanceof Integer || cell instanceof Long) {
      return String.format(Locale.ROOT, "%,d", ((Number) cell).longValue());
    }
    if (cell instanceof Double number) {
      double size = Math.abs(number);
      if (size != 0 && size < 1e-3) {
        return String.format(Locale.ROOT, "%.1e", number);
      }
      return String.format(Locale.ROOT, size < 10 ? "%.3f" : "%,.1f", number);
    }
    return cell.toString();
  }
}
