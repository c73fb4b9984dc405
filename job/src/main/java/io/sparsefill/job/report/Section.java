package io.sparsefill.job.report;

import java.util.List;

/**
 * Parts that belong together; where they fit they stand side by side.
 *
 * @param title heading
 * @param text what the parts show, in a sentence or two; may be empty
 * @param parts charts and tables
 */
public record Section(String title, String text, List<Part> parts) {
  /** Takes a copy of the parts. */
  public Section {
    parts = List.copyOf(parts);
  }

  String html(String id) {
    Markup out = new Markup();
    out.open("section", "id", id).element("h2", title);
    if (!text.isEmpty()) {
      out.element("p", text);
    }
    out.open("div", "class", "parts");
    parts.forEach(part -> out.part(part.html()));
    return out.close().close().toString();
  }
}
