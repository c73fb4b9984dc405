package io.sparsefill.udf;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.module.ModuleDescriptor;
import java.net.JarURLConnection;
import java.net.URL;
import java.util.Arrays;
import java.util.Optional;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.spark.SparkConf;

/**
 * The RAPIDS Accelerator in an application, and the set-ups that it could not run in. It would end
 * the start of Spark by itself, but later, and not with what to change.
 *
 * <p>Reachable before its own failure are the driver's main method, where Sparsefill starts Spark,
 * and the constructors of all plugins, which Spark calls before the first of them is initialised.
 * Nothing is before the look for the plugin's class, so a jar that is not there is Spark's own
 * {@code ClassNotFoundException}.
 */
public final class RapidsPlugin {
  /** What {@code spark.plugins} names. */
  public static final String CLASS = "com.nvidia.spark.SQLPlugin";

  private static final String INFO = "rapids4spark-version-info.properties";

  /** The accelerator's own key for another choice of its shim. */
  private static final String OVERRIDE = "spark.rapids.shims-provider-override";

  private static final String EXECUTOR_GPUS = "spark.executor.resource.gpu.amount";

  /** A release of Apache's; vendors' builds have shims that are named otherwise. */
  private static final Pattern RELEASE = Pattern.compile("(\\d+)\\.(\\d+)\\.(\\d+)");

  /** A folder in its jar for each version of Spark, as spark404. */
  private static final Pattern SHIM = Pattern.compile("spark(\\d)(\\d)(\\d+)/" + INFO);

  private RapidsPlugin() {}

  /** Whether an application has it. */
  public static boolean isIn(SparkConf conf) {
    return Arrays.stream(conf.get("spark.plugins", "").split(","))
        .anyMatch(name -> name.strip().equals(CLASS));
  }

  /** Its version, if a class loader sees its jar. */
  public static Optional<String> version(ClassLoader loader) {
    try (InputStream file = loader.getResourceAsStream(INFO)) {
      if (file == null) {
        return Optional.empty();
      }
      Properties properties = new Properties();
      properties.load(file);
      return Optional.ofNullable(properties.getProperty("version"));
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot read " + INFO + " of the RAPIDS Accelerator", e);
    }
  }

  /**
   * Checks the configuration of an application that is about to start.
   *
   * @param loader that sees the accelerator's jar, if the application has it
   * @throws IllegalStateException saying what to change
   */
  public static void check(SparkConf conf, ClassLoader loader) {
    boolean databricks = System.getenv("DATABRICKS_RUNTIME_VERSION") != null;
    // Databricks' Spark has a shim of its own, which a version number does not name.
    String spark = databricks ? "" : org.apache.spark.package$.MODULE$.SPARK_VERSION();
    check(conf, loader, spark);
  }

  /**
   * Checks for a version of Spark.
   *
   * @param spark as Spark gives it; what is no release of Apache's is left to the accelerator
   */
  static void check(SparkConf conf, ClassLoader loader, String spark) {
    if (!isIn(conf)) {
      return;
    }
    checkSpark(conf, loader, spark);
    int gpus = conf.getInt(EXECUTOR_GPUS, 0);
    if (gpus > 1) {
      throw new IllegalStateException(
          "Cannot start Spark: %s=%d, but the RAPIDS Accelerator (%s in spark.plugins) takes one GPU for an executor; set it to 1 and let there be as many executors as GPUs (spark.executor.cores is a GPU's share of a machine's cores then), or take the accelerator out"
              .formatted(EXECUTOR_GPUS, gpus, CLASS));
    }
  }

  private static void checkSpark(SparkConf conf, ClassLoader loader, String spark) {
    Matcher release = RELEASE.matcher(spark);
    Optional<String> version = version(loader);
    if (!release.matches() || version.isEmpty() || conf.contains(OVERRIDE)) {
      return;
    }
    String shim = "spark" + release.group(1) + release.group(2) + release.group(3) + "/" + INFO;
    if (loader.getResource(shim) != null) {
      return;
    }
    String accepted = accepted(loader.getResource(INFO));
    if (!accepted.isEmpty()) { // else a jar for one version, which is laid out differently
      throw new IllegalStateException(
          "Cannot start Spark: the jar of the RAPIDS Accelerator %s is not for Spark %s, only for %s; take a jar that is, another Spark, or %s out of spark.plugins"
              .formatted(version.get(), spark, accepted, CLASS));
    }
  }

  /** The versions of Spark that a jar is for, the oldest first. */
  private static String accepted(URL info) {
    try {
      if (!(info.openConnection() instanceof JarURLConnection jar)) {
        return "";
      }
      return jar.getJarFile().stream()
          .map(entry -> SHIM.matcher(entry.getName()))
          .filter(Matcher::matches)
          .map(shim -> shim.group(1) + "." + shim.group(2) + "." + shim.group(3))
          .map(ModuleDescriptor.Version::parse) // 3.5.10 comes after 3.5.9
          .sorted()
          .map(ModuleDescriptor.Version::toString)
          .collect(Collectors.joining(", "));
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot read the jar of the RAPIDS Accelerator at " + info, e);
    }
  }
}
