package io.sparsefill.job.executor;

import io.sparsefill.udf.DeviceLost;
import io.sparsefill.udf.ExecutorEngines;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntConsumer;
import org.apache.spark.ExceptionFailure;
import org.apache.spark.TaskFailedReason;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The plugin on an executor. Where driver and executor are one process ({@code local[*]}), nothing
 * ends it: the engines refuse every later document, and the run fails with the reason.
 */
public final class ExecutorSide implements ExecutorPlugin {
  /**
   * Exit code of an executor that has lost its GPU; none of Spark's or the RAPIDS Accelerator's.
   */
  public static final int LOST_GPU = 87;

  /** What Spark calls an executor that is in the driver's process. */
  private static final String DRIVER = "driver";

  private static final Logger log = LoggerFactory.getLogger(ExecutorSide.class);

  private final ExecutorEngines engines = ExecutorEngines.ofThisJvm();
  private final IntConsumer exit;
  private String executor;

  /** For Spark. */
  public ExecutorSide() {
    this(ExecutorSide::exitBeside);
  }

  /**
   * For tests.
   *
   * @param exit ends the process with a code
   */
  ExecutorSide(IntConsumer exit) {
    this.exit = exit;
  }

  /**
   * Checks the set-up.
   *
   * @throws IllegalStateException saying what to change; the executor does not start
   */
  @Override
  public void init(PluginContext context, Map<String, String> driver) {
    executor = context.executorID();
    String who = "executor " + executor; // Spark adds the host, which the context cannot tell
    JarVersions.check(driver, JarVersions.here(), who);
    GpuCheck.check(context.conf(), context.resources(), who);
    EngineMetrics.register(context.metricRegistry(), engines);
  }

  /** Ends the process if its GPU is lost to it. */
  @Override
  public void onTaskFailed(TaskFailedReason reason) {
    Optional<DeviceLost> lost = engines.lost().or(() -> DeviceLost.of(thrown(reason)));
    if (lost.isEmpty()) {
      return;
    }
    if (executor.equals(DRIVER)) {
      log.error("This process has lost its GPU; the driver is in it, so start it anew", lost.get());
      return;
    }
    log.error(
        "Executor {} has lost its GPU and ends with exit code {}, so that Spark replaces it",
        executor,
        LOST_GPU,
        lost.get());
    exit.accept(LOST_GPU);
  }

  private static Throwable thrown(TaskFailedReason reason) {
    return reason instanceof ExceptionFailure failure && failure.exception().isDefined()
        ? failure.exception().get()
        : null;
  }

  /** On a thread beside, so that the task's thread can tell the driver why it failed. */
  private static void exitBeside(int code) {
    Thread thread = new Thread(() -> System.exit(code), "sparsefill-exit");
    thread.setDaemon(true);
    thread.start();
  }

  /** Closes the engines that nobody uses. */
  @Override
  public void shutdown() {
    engines.close();
  }
}
