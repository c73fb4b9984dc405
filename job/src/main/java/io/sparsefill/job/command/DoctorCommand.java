package io.sparsefill.job.command;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparsefill.job.TextTable;
import io.sparsefill.job.run.OptionValues;
import io.sparsefill.job.run.RunOption;
import io.sparsefill.job.run.SessionScope;
import io.sparsefill.kernels.attention.AttentionMode;
import io.sparsefill.kernels.attention.Refinement;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * {@code sparsefill doctor}: whether this machine, and on request a model and an output folder, can
 * be used; with {@code --attention} the attention modes instead.
 */
@Command(
    name = "doctor",
    description =
        "Checks Java, Spark, OpenBLAS, memory, and if given a model and an output folder; or lists"
            + " what --attention accepts.",
    mixinStandardHelpOptions = true)
final class DoctorCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Option(
      names = "--attention",
      description = "Only lists what --attention of run accepts: sizes, defaults, sources.")
  private boolean attention;

  private DoctorCommand() {}

  static CommandLine line() {
    return SharedOptions.line(
        new DoctorCommand(), List.of(RunOption.MODEL, RunOption.OUTPUT, RunOption.MASTER));
  }

  @Override
  public Integer call() {
    return attention ? listAttention() : check();
  }

  private int listAttention() {
    TextTable table =
        new TextTable("--attention", "without sizes", "backends", "source", "a query sees");
    ObjectNode json = new ObjectMapper().createObjectNode();
    ArrayNode list = json.putArray("attention");
    for (AttentionMode mode : AttentionMode.values()) {
      String backends = String.join(", ", mode.backends());
      table.add(mode.form(), mode.defaults(), backends, mode.source(), mode.summary());
      list.addObject()
          .put("form", mode.form())
          .put("defaults", mode.defaults())
          .put("backends", backends)
          .put("source", mode.source())
          .put("summary", mode.summary());
    }
    ArrayNode refinements = json.putArray("refinements");
    for (Refinement refinement : Refinement.values()) {
      table.add(
          "MODE" + refinement.form(),
          "",
          refinement.backends(),
          refinement.source(),
          refinement.summary());
      refinements
          .addObject()
          .put("form", refinement.form())
          .put("backends", refinement.backends())
          .put("source", refinement.source())
          .put("summary", refinement.summary());
    }
    print(table, json);
    return ExitCode.DONE;
  }

  private int check() {
    OptionValues values = SharedOptions.values(spec);
    List<DoctorCheck> checks;
    try (SessionScope session =
        SessionScope.open("sparsefill doctor", values.text(RunOption.MASTER))) {
      checks =
          DoctorChecks.all(session, values.text(RunOption.MODEL), values.text(RunOption.OUTPUT));
    }
    TextTable table = new TextTable("check", "result", "details");
    ObjectNode json = new ObjectMapper().createObjectNode();
    boolean ok = checks.stream().noneMatch(check -> check.result() == DoctorCheck.Result.FAILED);
    json.put("ok", ok);
    ArrayNode list = json.putArray("checks");
    for (DoctorCheck check : checks) {
      table.add(check.name(), check.result().label(), check.details());
      list.addObject()
          .put("name", check.name())
          .put("result", check.result().label())
          .put("details", check.details());
    }
    print(table, json);
    return ok ? ExitCode.DONE : ExitCode.CRASH;
  }

  private void print(TextTable table, ObjectNode json) {
    PrintWriter out = spec.commandLine().getOut();
    out.println(table);
    out.println(json);
    out.flush();
  }
}
