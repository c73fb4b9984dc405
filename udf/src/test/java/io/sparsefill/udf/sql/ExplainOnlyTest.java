package io.sparsefill.udf.sql;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.apache.spark.deploy.SparkSubmit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What the RAPIDS Accelerator would do with the functions, as it says itself in its mode without a
 * GPU ({@code explainOnly}); in a JVM of its own, started as spark-submit does, because the plugin
 * needs Spark's class loader and keeps static state.
 */
class ExplainOnlyTest {
  private static final long MINUTES = 5;

  @TempDir Path folder;

  @Test
  void scanAndAllFunctionsWouldRunOnTheGpu() throws Exception {
    String log = run();
    assertThat(log).contains("by columns in plans of the RAPIDS Accelerator");
    for (String how : List.of("extension", "registered")) {
      String plans = section(log, how);
      for (SqlFunction function : SqlFunction.values()) {
        assertThat(plans)
            .containsPattern(
                "\\*Expression <ScalaUDF> "
                    + function.sqlName()
                    + "\\(text#\\d+\\).* will run on GPU\\n");
      }
      assertThat(plans)
          .contains("*Exec <FileSourceScanExec> will run on GPU")
          .contains("*Exec <ProjectExec> will run on GPU")
          .doesNotContain("via CPU bridge")
          .doesNotContain("cannot run on GPU");
    }
    assertThat(log.substring(0, log.indexOf(ExplainOnlyPlans.MARK + "required")))
        .doesNotContain("stays on the CPU");
    checkWhatStays(log);
  }

  /** The reason is the accelerator's own word, at the operator that it was told to leave. */
  private static void checkWhatStays(String log) {
    String reason = " in Project stays on the CPU, because the Exec ProjectExec has been disabled";
    String required = section(log, "required");
    assertThat(required).contains("planned TOKEN_COUNT");
    String allowed = section(log, "allowed");
    assertThat(allowed).doesNotContain("token_count(text)" + reason);
    for (SqlFunction function : EnumSet.complementOf(EnumSet.of(SqlFunction.TOKEN_COUNT))) {
      String stays = function.sqlName() + "\\(text#\\d+\\)" + Pattern.quote(reason);
      assertThat(required)
          .containsPattern(
              "refused %s: Cannot run the query with spark.sparsefill.require-gpu=true: %s"
                  .formatted(function, stays));
      assertThat(allowed).containsPattern("WARN PlanCheck: " + stays);
    }
  }

  private static String section(String log, String name) {
    int begin = log.indexOf(ExplainOnlyPlans.MARK + name);
    assertThat(begin).as(log).isPositive();
    return log.substring(begin, log.indexOf(ExplainOnlyPlans.MARK, begin + 1));
  }

  private String run() throws Exception {
    Path log = folder.resolve("log");
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("@" + Path.of(System.getProperty("sparsefill.root"), "job", "bin", "jvm-options"));
    command.add("-Xmx1g");
    command.add("-cp");
    command.add(
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")));
    command.add(SparkSubmit.class.getName());
    for (String conf :
        List.of(
            "spark.plugins=com.nvidia.spark.SQLPlugin",
            "spark.rapids.sql.mode=explainOnly",
            "spark.rapids.sql.explain=ALL",
            "spark.ui.enabled=false",
            "spark.local.dir=" + folder,
            "spark.sql.warehouse.dir=" + folder.resolve("warehouse"))) {
      command.addAll(List.of("--conf", conf));
    }
    command.addAll(List.of("--master", "local[1]", "--class", ExplainOnlyPlans.class.getName()));
    command.addAll(List.of("spark-internal", folder.toString()));
    Process process =
        new ProcessBuilder(command)
            .directory(new File(folder.toString()))
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    try {
      assertThat(process.waitFor(MINUTES, TimeUnit.MINUTES)).as("ended in time").isTrue();
    } finally {
      process.destroyForcibly();
    }
    String text = Files.readString(log);
    assertThat(process.exitValue()).as(text).isZero();
    return text;
  }
}
