package io.sparsefill.job.report;

/**
 * A paragraph.
 *
 * @param text what it says
 */
public record Text(String text) implements Part {
  @Override
  public String html() {
    return new Markup().element("p", text).toString();
  }
}
