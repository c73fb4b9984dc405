package io.sparsefill.job.executor;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.job.SparsefillPlugin;
import io.sparsefill.kernels.cuda.CudaFailure;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorRemoved;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A cluster whose executors are processes: the one that reports a lost context ends, and Spark does
 * its task on another. The report is made up, as there need not be a GPU.
 */
class LostGpuTest {
  @TempDir Path folder;

  /** The driver's process; a worker finds Spark by an environment variable. */
  public static final class Driver {
    private Driver() {}

    /** Prints the executor of the task that succeeded, and why others ended. */
    public static void main(String[] arguments) {
      SparkConf conf =
          new SparkConf()
              .setAppName("lost GPU")
              .setMaster("local-cluster[1,1,1024]")
              .set("spark.plugins", SparsefillPlugin.class.getName())
              .set("spark.sparsefill.backend", "cpu")
              .set("spark.ui.enabled", "false")
              .set("spark.driver.host", "localhost")
              .set("spark.driver.bindAddress", "127.0.0.1")
              .set("spark.executor.memory", "512m")
              .set("spark.local.dir", arguments[0])
              .set("spark.executor.extraClassPath", System.getProperty("java.class.path"));
      Queue<String> ends = new ConcurrentLinkedQueue<>();
      try (JavaSparkContext spark = new JavaSparkContext(conf)) {
        spark
            .sc()
            .addSparkListener(
                new SparkListener() {
                  @Override
                  public void onExecutorRemoved(SparkListenerExecutorRemoved removed) {
                    ends.add(removed.executorId() + ": " + removed.reason());
                  }
                });
        String executor =
            spark.parallelize(List.of(1), 1).map(one -> executorOfSecondTry()).first();
        System.out.println("done by " + executor);
        System.out.println("ended " + ends);
      }
    }

    private static String executorOfSecondTry() {
      if (TaskContext.get().attemptNumber() == 0) {
        throw new CudaFailure("Cannot finish the pre-fill: CUDA_ERROR_ILLEGAL_ADDRESS", 700);
      }
      return SparkEnv.get().executorId();
    }
  }

  @Test
  @Timeout(value = 180)
  void anExecutorThatHasLostItsGpuIsReplaced() throws Exception {
    Path home = folder.resolve("spark-home");
    Files.createDirectories(home.resolve("jars"));
    Files.writeString(home.resolve("RELEASE"), "for tests\n");
    Path out = folder.resolve("out.log");
    ProcessBuilder builder =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "@" + Path.of(System.getProperty("sparsefill.root"), "job", "bin", "jvm-options"),
            "-Xmx512m",
            "-cp",
            System.getProperty("java.class.path"),
            Driver.class.getName(),
            folder.resolve("scratch").toString());
    builder.directory(folder.toFile());
    builder.environment().put("SPARK_HOME", home.toString());
    builder.environment().put("SPARK_SCALA_VERSION", "2.13");
    builder.environment().put("SPARK_LOCAL_IP", "127.0.0.1");
    Process driver =
        builder
            .redirectOutput(out.toFile())
            .redirectError(folder.resolve("err.log").toFile())
            .start();
    try {
      assertThat(driver.waitFor(150, TimeUnit.SECONDS)).isTrue();
    } finally {
      driver.descendants().forEach(ProcessHandle::destroyForcibly);
      driver.destroyForcibly();
    }
    String said = Files.readString(out);
    assertThat(driver.exitValue()).as(Files.readString(folder.resolve("err.log"))).isZero();
    assertThat(said).contains("done by 1").contains("ended [0: Command exited with code 87]");
  }
}
