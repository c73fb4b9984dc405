package io.sparsefill.job.command;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparsefill.job.DocumentStatus;
import io.sparsefill.job.DocumentSummary;
import io.sparsefill.job.PlannedWave;
import io.sparsefill.job.TextTable;
import io.sparsefill.job.run.LongestDocument;
import io.sparsefill.job.run.OptionValues;
import io.sparsefill.job.run.Run;
import io.sparsefill.job.run.RunOption;
import io.sparsefill.job.run.RunOptions;
import io.sparsefill.job.run.RunPlan;
import io.sparsefill.job.run.SessionScope;
import io.sparsefill.kernels.MemoryPlan;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code sparsefill plan}: what {@code run} with the same options would do. */
@Command(
    name = "plan",
    description = {
      "Counts tokens and plans waves as run would with the same options, without pre-filling or writing.",
      "With --output, what is finished there is left out, and seconds are predicted from what its runs",
      "measured, if they ran on the same settings; else they are assumed from the model's size."
    },
    mixinStandardHelpOptions = true)
final class PlanCommand implements Callable<Integer> {
  private static final int WAVES_SHOWN = 20;

  @Spec private CommandSpec spec;

  private PlanCommand() {}

  static CommandLine line() {
    List<RunOption> options = new ArrayList<>(List.of(RunOption.values()));
    options.remove(RunOption.DRY_RUN);
    return SharedOptions.line(new PlanCommand(), options);
  }

  @Override
  public Integer call() throws IOException {
    Map<RunOption, String> given = new EnumMap<>(RunOption.class);
    given.putAll(SharedOptions.given(spec));
    given.put(RunOption.DRY_RUN, "true");
    RunOptions options = RunOptions.of(OptionValues.resolve(given, SessionScope.configuration()));
    try (SessionScope session = SessionScope.open("sparsefill plan", options.master())) {
      print(Run.plan(session.spark(), options), spec.commandLine().getOut());
    }
    return ExitCode.DONE;
  }

  /** Prints a plan; the last line is JSON. */
  static void print(RunPlan plan, PrintWriter out) {
    long failed = plan.count(DocumentStatus.FAILED);
    long skipped = plan.count(DocumentStatus.SKIPPED);
    out.printf(
        Locale.ROOT,
        "%,d documents: %,d to pre-fill, %,d finished before, %,d failed, %,d skipped%n%n",
        plan.documents().size(),
        plan.toPrefill(),
        plan.done(),
        failed,
        skipped);
    out.println(lengths(plan.documents()));
    out.println();
    out.println(waves(plan));
    out.println();
    plan.documents().stream()
        .filter(document -> document.status() == DocumentStatus.FAILED)
        .limit(5)
        .forEach(document -> out.println("failed: " + document.docId() + ": " + document.error()));
    out.println("Backend: " + plan.backend());
    if (plan.longest() != null) {
      out.println(memory(plan.longest()));
    }
    out.printf(
        Locale.ROOT,
        "About %s on %d tasks at a time; %s of keys and values and %s of logits before compression.%n",
        duration(plan.seconds()),
        plan.slots(),
        bytes(plan.kvBytes()),
        bytes(plan.logitsBytes()));
    out.println("Seconds of a document are " + plan.basis() + ".");

    ObjectNode json = new ObjectMapper().createObjectNode();
    json.putObject("documents")
        .put("to_prefill", plan.toPrefill())
        .put("done", plan.done())
        .put("failed", failed)
        .put("skipped", skipped);
    json.put("tokens", plan.tokens());
    json.put("waves", plan.waves().size());
    json.put("slots", plan.slots());
    json.put("backend", plan.backend().name());
    if (plan.longest() != null) {
      json.put("longest_tokens", plan.longest().tokens());
      json.put("longest_device_bytes", plan.longest().memory().total());
    }
    json.put("predicted_seconds", Math.round(plan.seconds() * 10) / 10.0);
    json.put("basis", plan.basis());
    json.put("kv_bytes", plan.kvBytes());
    json.put("logits_bytes", plan.logitsBytes());
    out.println(json);
    out.flush();
  }

  private static String memory(LongestDocument longest) {
    MemoryPlan memory = longest.memory();
    String text =
        "A task takes %s of device memory for the longest document, %s tokens (%s)"
            .formatted(bytes(memory.total()), number(longest.tokens()), memory.describe());
    if (longest.deviceBytes() == 0) {
      return text + ".";
    }
    String here = bytes(longest.deviceBytes());
    return longest.isTooLong()
        ? text
            + ", BUT HERE ARE ONLY "
            + here
            + ": use --weights stream or fewer --emit, or cut it."
        : text + "; here are " + here + ".";
  }

  /** Documents to pre-fill by length, in powers of two. */
  private static TextTable lengths(List<DocumentSummary> documents) {
    TextTable table = new TextTable("tokens up to", "documents", "tokens");
    int most = documents.stream().mapToInt(DocumentSummary::tokenCount).max().orElse(0);
    long shorter = 0;
    for (long bound = 512; shorter < most; bound *= 2) {
      long from = shorter;
      long to = bound;
      List<DocumentSummary> inside =
          documents.stream()
              .filter(d -> d.isToPrefill() && d.tokenCount() > from && d.tokenCount() <= to)
              .toList();
      if (!inside.isEmpty()) {
        table.add(
            number(bound),
            number(inside.size()),
            number(inside.stream().mapToLong(DocumentSummary::tokenCount).sum()));
      }
      shorter = bound;
    }
    return table;
  }

  private static TextTable waves(RunPlan plan) {
    TextTable table = new TextTable("wave", "documents", "tokens", "bins", "predicted");
    int shown = Math.min(plan.waves().size(), WAVES_SHOWN);
    for (int w = 0; w < shown; w++) {
      PlannedWave wave = plan.waves().get(w);
      table.add(
          w + 1,
          number(wave.documents()),
          number(wave.tokens()),
          wave.bins().size(),
          duration(wave.seconds()));
    }
    if (shown < plan.waves().size()) {
      table.add("...", "", "", "", "");
    }
    table.add(
        "all",
        number(plan.toPrefill()),
        number(plan.tokens()),
        plan.waves().stream().mapToInt(wave -> wave.bins().size()).sum(),
        duration(plan.seconds()));
    return table;
  }

  private static String number(long value) {
    return String.format(Locale.ROOT, "%,d", value);
  }

  private static String duration(double seconds) {
    return seconds < 120
        ? String.format(Locale.ROOT, "%.1f s", seconds)
        : String.format(Locale.ROOT, "%.1f min", seconds / 60);
  }

  /** {@code 1.5 GiB}. */
  static String bytes(long bytes) {
    String[] units = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = bytes;
    int unit = 0;
    while (value >= 1024 && unit < units.length - 1) {
      value /= 1024;
      unit++;
    }
    return String.format(Locale.ROOT, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
  }
}
