package io.sparsefill.kernels.bench;

/** The tables of {@link AttentionBench}. */
record AttentionTables(
    Report report,
    Report.Table dense,
    Report.Table patterns,
    Report.Table weighted,
    Report.Table kernels) {
  static AttentionTables of(Report report) {
    return new AttentionTables(
        report,
        report.table(
            "Dense",
            "tokens",
            "attention, ms per head",
            "TFLOP/s",
            "index + attention, ms per head",
            "error"),
        report.table(
            "Vertical-slash, ms per head",
            "tokens",
            "V",
            "S",
            "share of heads",
            "chosen distances",
            "sparse heads",
            "density",
            "index",
            "attention",
            "index + attention",
            "error"),
        report.table(
            "Weighted by the histogram of Llama-3-8B-262k, ms per head",
            "tokens",
            "index + attention",
            "dense index + attention",
            "dense / weighted"),
        report.table(
            "Device time of the kernels of one layer, ms per head",
            "tokens",
            "V",
            "S",
            "kernel",
            "time"));
  }
}
