package io.sparsefill.job.report;

/** A part of a page. */
public sealed interface Part permits HeadMap, HeatMap, LineChart, Scatter, Table, Text {
  /** Its markup, well-formed by itself. */
  String html();
}
