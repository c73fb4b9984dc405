package io.sparsefill.job.report;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * A whole page.
 *
 * @param title heading and title
 * @param summary what was measured, with what; may be empty
 * @param sections its content
 */
public record Page(String title, String summary, List<Section> sections) {
  /** Takes a copy of the sections. */
  public Page {
    sections = List.copyOf(sections);
  }

  /** The file's content, to be written as UTF-8. */
  public String html() {
    Markup out = new Markup();
    out.open("html", "lang", "en").open("head");
    out.leaf("meta", "charset", "utf-8");
    out.leaf("meta", "name", "viewport", "content", "width=device-width, initial-scale=1");
    out.leaf("meta", "name", "color-scheme", "content", "light dark");
    out.element("title", title);
    out.open("style").part(style()).close();
    out.close().open("body").open("main").element("h1", title);
    if (!summary.isEmpty()) {
      out.element("p", summary, "class", "summary");
    }
    if (sections.size() > 1) {
      out.open("nav");
      for (int i = 0; i < sections.size(); i++) {
        out.element("a", sections.get(i).title(), "href", "#" + id(i));
      }
      out.close();
    }
    for (int i = 0; i < sections.size(); i++) {
      out.part(sections.get(i).html(id(i)));
    }
    return "<!DOCTYPE html>\n" + out.close().close().close() + "\n";
  }

  private static String id(int section) {
    return "section-" + (section + 1);
  }

  private static String style() {
    try (InputStream file = Page.class.getResourceAsStream("report.css")) {
      return new String(file.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot read the report's style sheet from the jar", e);
    }
  }
}
