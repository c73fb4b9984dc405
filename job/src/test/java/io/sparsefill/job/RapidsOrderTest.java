package io.sparsefill.job;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Set-ups that the RAPIDS Accelerator refuses are told before it does so. It is not on this
 * module's class path, so a jar with a plugin of its name, laid out as its own is, stands in for
 * it; it fails as soon as Spark starts it.
 */
class RapidsOrderTest {
  private static final String OWN_FAILURE = "the plugin's own failure";

  @TempDir Path folder;
  private Path jar;

  /** Starts Spark without the command line. */
  public static final class Application {
    private Application() {}

    /** Has no arguments. */
    public static void main(String[] arguments) {
      new org.apache.spark.SparkContext("local[1]", "application").stop();
    }
  }

  @BeforeEach
  void write() throws Exception {
    String source =
        """
        package com.nvidia.spark;
        public class SQLPlugin implements org.apache.spark.api.plugin.SparkPlugin {
          public org.apache.spark.api.plugin.DriverPlugin driverPlugin() {
            throw new IllegalStateException("%s");
          }
          public org.apache.spark.api.plugin.ExecutorPlugin executorPlugin() {
            return null;
          }
        }
        """
            .formatted(OWN_FAILURE);
    SimpleJavaFileObject file =
        new SimpleJavaFileObject(
            URI.create("string:///SQLPlugin.java"), SimpleJavaFileObject.Kind.SOURCE) {
          @Override
          public CharSequence getCharContent(boolean ignoreEncodingErrors) {
            return source;
          }
        };
    List<String> options =
        List.of("-d", folder.toString(), "-cp", System.getProperty("java.class.path"));
    assertThat(
            ToolProvider.getSystemJavaCompiler()
                .getTask(null, null, null, options, null, List.of(file))
                .call())
        .isTrue();
    jar = folder.resolve("rapids.jar");
    String plugin = "com/nvidia/spark/SQLPlugin.class";
    try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar))) {
      for (String version : List.of("", "spark350/", "spark401/")) {
        out.putNextEntry(new JarEntry(version + "rapids4spark-version-info.properties"));
        out.write("version=26.08.9".getBytes(StandardCharsets.UTF_8));
      }
      out.putNextEntry(new JarEntry(plugin));
      out.write(Files.readAllBytes(folder.resolve(plugin)));
    }
  }

  private String run(String plugins, String... program) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("@" + Path.of(System.getProperty("sparsefill.root"), "job", "bin", "jvm-options"));
    command.addAll(List.of("-Xmx512m", "-Dspark.ui.enabled=false"));
    command.addAll(List.of("-Dspark.driver.host=localhost", "-Dspark.plugins=" + plugins));
    command.addAll(
        List.of("-cp", jar + File.pathSeparator + System.getProperty("java.class.path")));
    Stream.of(program).forEach(command::add);
    Path log = folder.resolve("log");
    Process process =
        new ProcessBuilder(command)
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    assertThat(process.waitFor(2, TimeUnit.MINUTES)).isTrue();
    assertThat(process.exitValue()).isNotZero();
    return Files.readString(log);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "com.nvidia.spark.SQLPlugin,io.sparsefill.job.SparsefillPlugin",
        "io.sparsefill.job.SparsefillPlugin,com.nvidia.spark.SQLPlugin"
      })
  void ourPluginTellsFirstInEitherOrder(String plugins) throws Exception {
    assertThat(run(plugins, Application.class.getName()))
        .contains(
            "Cannot start Spark: the jar of the RAPIDS Accelerator 26.08.9 is not for Spark "
                + org.apache.spark.package$.MODULE$.SPARK_VERSION()
                + ", only for 3.5.0, 4.0.1;")
        .doesNotContain(OWN_FAILURE);
  }

  /** With the accelerator alone, Sparsefill's commands look before they start Spark. */
  @Test
  void doctorTellsWithoutOurPlugin() throws Exception {
    assertThat(run("com.nvidia.spark.SQLPlugin", "io.sparsefill.job.Main", "doctor"))
        .contains(
            "sparsefill: Cannot start Spark: the jar of the RAPIDS Accelerator 26.08.9 is not")
        .doesNotContain(OWN_FAILURE);
    assertThat(run("com.nvidia.spark.SQLPlugin", Application.class.getName()))
        .as("what it would be")
        .contains(OWN_FAILURE);
  }
}
