package io.sparsefill.job.executor;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;

/** Versions of the jars on this process's class path that driver and executors must share. */
final class JarVersions {
  private static final String RAPIDS = "rapids4spark-version-info.properties";

  private JarVersions() {}

  /** By the jars' names; a jar that is not there, or was not packaged, is not among them. */
  static Map<String, String> here() {
    Map<String, String> versions = new LinkedHashMap<>();
    versions.put("Spark", org.apache.spark.package$.MODULE$.SPARK_VERSION());
    String ours = JarVersions.class.getPackage().getImplementationVersion();
    if (ours != null) {
      versions.put("Sparsefill", ours);
    }
    String rapids = rapids();
    if (rapids != null) {
      versions.put("RAPIDS Accelerator", rapids);
    }
    return versions;
  }

  private static String rapids() {
    ClassLoader loader = Thread.currentThread().getContextClassLoader();
    try (InputStream file = loader.getResourceAsStream(RAPIDS)) {
      if (file == null) {
        return null;
      }
      Properties properties = new Properties();
      properties.load(file);
      return properties.getProperty("version");
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot read " + RAPIDS + " of the RAPIDS Accelerator", e);
    }
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
