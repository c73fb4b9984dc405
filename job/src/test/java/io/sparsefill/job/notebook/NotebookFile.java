package io.sparsefill.job.notebook;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * A notebook in Databricks' source format: a first line that says so, cells between {@code COMMAND
 * ----------} lines, cells of Markdown as comments that begin with {@code MAGIC}.
 *
 * @param comment what begins a comment in its language
 * @param text all of it
 */
record NotebookFile(String comment, String text) {
  /** Those of the project. */
  static final Path FOLDER = Notebooks.ROOT.resolve("notebooks");

  static NotebookFile read(Path file) throws IOException {
    String name = file.getFileName().toString();
    String comment = name.endsWith(".py") ? "#" : name.endsWith(".sql") ? "--" : "//";
    return new NotebookFile(comment, Files.readString(file));
  }

  /** The first line. */
  String header() {
    return comment + " Databricks notebook source\n";
  }

  /** All cells, without what is between them. */
  List<String> cells() {
    return Arrays.stream(
            text.substring(header().length()).split("\n" + comment + " COMMAND -+\n", -1))
        .map(String::strip)
        .toList();
  }

  boolean isMarkdown(String cell) {
    return cell.startsWith(comment + " MAGIC %md");
  }

  /** Cells that are run. */
  List<String> code() {
    return cells().stream().filter(cell -> !isMarkdown(cell)).toList();
  }
}
