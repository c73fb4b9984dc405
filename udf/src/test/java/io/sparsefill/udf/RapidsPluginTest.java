package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Set-ups of the accelerator. Oracle for its jar: the one that the build compiles against. */
class RapidsPluginTest {
  private static final ClassLoader JAR = RapidsPluginTest.class.getClassLoader();

  private final SparkConf conf =
      new SparkConf(false).set("spark.plugins", "a.B, com.nvidia.spark.SQLPlugin");

  @ParameterizedTest
  @ValueSource(strings = {"3.5.1", "4.0.4", "4.1.3", "4.2.0"})
  void versionsOfSparkThatTheJarIsFor(String spark) {
    RapidsPlugin.check(conf, JAR, spark);
  }

  @ParameterizedTest
  @ValueSource(strings = {"3.4.4", "4.1.0", "5.0.0"})
  void anotherVersionOfSparkIsRefusedWithThoseOfTheJar(String spark) {
    assertThatThrownBy(() -> RapidsPlugin.check(conf, JAR, spark))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageStartingWith("Cannot start Spark: the jar of the RAPIDS Accelerator 26.")
        .hasMessageContaining("is not for Spark %s, only for 3.5.0, ", spark)
        .hasMessageContaining("4.0.4, ");
    RapidsPlugin.check(new SparkConf(false), JAR, spark); // it is not in use
  }

  /** Vendors' builds, the accelerator's own override, and jars without a folder per version. */
  @Test
  void whatCannotBeToldIsLeftToTheAccelerator(@TempDir Path folder) throws Exception {
    RapidsPlugin.check(conf, JAR, "3.3.2.3.3.7190.0-91");
    Files.writeString(folder.resolve("rapids4spark-version-info.properties"), "version=1");
    try (URLClassLoader single = new URLClassLoader(new URL[] {folder.toUri().toURL()}, null)) {
      assertThat(RapidsPlugin.version(single)).contains("1");
      RapidsPlugin.check(conf, single, "4.1.0");
    }
    RapidsPlugin.check(conf, ClassLoader.getPlatformClassLoader(), "4.1.0");
    conf.set("spark.rapids.shims-provider-override", "com.nvidia.X");
    RapidsPlugin.check(conf, JAR, "4.1.0");
  }

  @Test
  void oneGpuForAnExecutor() {
    conf.set("spark.executor.resource.gpu.amount", "1");
    RapidsPlugin.check(conf, JAR, "4.0.4");
    conf.set("spark.executor.resource.gpu.amount", "2");
    assertThatThrownBy(() -> RapidsPlugin.check(conf, JAR, "4.0.4"))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("spark.executor.resource.gpu.amount=2")
        .hasMessageContaining("takes one GPU for an executor; set it to 1");
    conf.set("spark.plugins", "io.sparsefill.job.SparsefillPlugin");
    RapidsPlugin.check(conf, JAR, "4.0.4");
  }
}
