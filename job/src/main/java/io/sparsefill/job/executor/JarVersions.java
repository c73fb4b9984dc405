package io.sparsefill.job.executor;

import io.sparsefill.udf.RapidsPlugin;
import java.util.LinkedHashMap;
import java.util.Map;

/** Versions of the jars on this process's class path that driver and executors must share. */
final class JarVersions {
  private JarVersions() {}

  /** By the jars' names; a jar that is not there, or was not packaged, is not among them. */
  static Map<String, String> here() {
    Map<String, String> versions = new LinkedHashMap<>();
    versions.put("Spark", org.apache.spark.package$.MODULE$.SPARK_VERSION());
    String ours = JarVersions.class.getPackage().getImplementationVersion();
    if (ours != null) {
      versions.put("Sparsefill", ours);
    }
    RapidsPlugin.version(Thread.currentThread().getContextClassLoader())
        .ifPresent(version -> versions.put("RAPIDS Accelerator", version));
    return versions;
  }

  /**
   * Compares the versions of both sides; a jar that only one side has is none of theirs to share.
   *
   * @param who names the executor
   * @throws IllegalStateException naming the jar and both versions
   */
  static void check(Map<String, String> driver, Map<String, String> executor, String who) {
    executor.forEach(
        (jar, version) -> {
          String drivers = driver.getOrDefault(jar, version);
          if (!drivers.equals(version)) {
            throw new IllegalStateException(
                "Cannot start %s: its %s is %s, the driver's is %s; give both the same jar (spark.jars, spark.executor.extraClassPath, or the image)"
                    .formatted(who, jar, version, drivers));
          }
        });
  }
}
