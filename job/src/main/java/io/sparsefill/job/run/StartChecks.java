package io.sparsefill.job.run;

import io.sparsefill.kernels.NativeLibrary;
import io.sparsefill.udf.RapidsPlugin;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.apache.spark.SparkConf;

/** Set-ups in which Spark would not start, told before it tries, and with what to change. */
final class StartChecks {
  private StartChecks() {}

  /**
   * Checks the configuration of a session that is about to be made on this machine.
   *
   * @throws UsageException saying what to change
   */
  static void check(SparkConf conf) {
    try {
      RapidsPlugin.check(conf, Thread.currentThread().getContextClassLoader());
    } catch (IllegalStateException e) {
      throw new UsageException(e.getMessage(), e);
    }
    if (System.getenv("CONTAINER_ID") == null) { // else YARN gives a container its own
      checkScratch(conf, System.getenv("SPARK_LOCAL_DIRS"));
    }
  }

  /**
   * Spark needs one of its scratch folders on the driver.
   *
   * @param environment {@code SPARK_LOCAL_DIRS}, which goes before the configuration, or null
   */
  static void checkScratch(SparkConf conf, String environment) {
    String key = "spark.local.dir";
    String folders =
        environment == null ? conf.get(key, System.getProperty("java.io.tmpdir")) : environment;
    List<Optional<String>> problems =
        Arrays.stream(folders.split(","))
            .map(folder -> NativeLibrary.unusable(Path.of(folder.strip())))
            .toList();
    if (problems.stream().allMatch(Optional::isPresent)) {
      throw new UsageException(
          "Cannot start Spark: it has no scratch folder on this machine: %s; let %s name one that can be written and has room"
              .formatted(
                  String.join(", ", problems.stream().map(Optional::get).toList()),
                  environment == null
                      ? key + (conf.contains(key) ? "" : " (or -Djava.io.tmpdir)")
                      : "SPARK_LOCAL_DIRS"));
    }
  }
}
