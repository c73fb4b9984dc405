package io.sparsefill.job.run;

/** The tables of README.md that are made from the code. Each lies between two markers. */
final class ReadmeTables {
  private ReadmeTables() {}

  /**
   * A README with its tables replaced.
   *
   * @throws IllegalArgumentException if a table's markers are not there once each, in order
   */
  static String replacedIn(String readme) {
    String options = replaced(readme, "options", OptionsTable.markdown());
    return replaced(options, "attention", AttentionTable.markdown());
  }

  private static String replaced(String readme, String table, String markdown) {
    String beginMark = "<!-- " + table + " -->";
    String endMark = "<!-- /" + table + " -->";
    int begin = readme.indexOf(beginMark);
    int end = readme.indexOf(endMark);
    if (begin < 0 || end < begin || readme.indexOf(beginMark, begin + 1) >= 0) {
      throw new IllegalArgumentException(
          "Cannot find the %s table in README.md: it needs %s and then %s, once each"
              .formatted(table, beginMark, endMark));
    }
    return readme.substring(0, begin) + beginMark + "\n" + markdown + readme.substring(end);
  }
}
