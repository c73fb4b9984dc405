package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.job.SparsefillPlugin;
import io.sparsefill.job.deploy.ConfFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.spark.internal.config.ConfigEntry;
import org.apache.spark.internal.config.Deploy$;
import org.apache.spark.internal.config.Network$;
import org.apache.spark.internal.config.UI$;
import org.apache.spark.internal.config.Worker$;
import org.apache.spark.internal.config.package$;
import org.apache.spark.sql.internal.SQLConf$;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The files {@code conf/*.conf}, line for line. Oracles: Spark's own registry of keys, which also
 * reads each value, and {@link RunOptions} for ours. Keys of RAPIDS are checked where its jar is,
 * in module udf.
 */
class ConfFilesTest {
  /**
   * Keys with a part that the user chooses, and Spark's that are in none of its registries here.
   */
  private static final List<Pattern> OUTSIDE_OF_REGISTRY =
      List.of(
          Pattern.compile("spark\\.master"),
          Pattern.compile("spark\\.executorEnv\\.[A-Z_]+"),
          Pattern.compile("spark\\.(worker|executor|task)\\.resource\\.gpu\\.amount"),
          Pattern.compile("spark\\.(worker|executor)\\.resource\\.gpu\\.discoveryScript"),
          Pattern.compile("spark\\.executor\\.resource\\.gpu\\.vendor"),
          // Those of "Running Spark on Kubernetes", whose module is not on the class path.
          Pattern.compile("spark\\.kubernetes\\.container\\.image"),
          Pattern.compile("spark\\.kubernetes\\.namespace"),
          Pattern.compile("spark\\.kubernetes\\.authenticate\\.driver\\.serviceAccountName"),
          Pattern.compile("spark\\.kubernetes\\.driverEnv\\.[A-Z_]+"),
          Pattern.compile(
              "spark\\.kubernetes\\.(driver|executor)\\.volumes\\.persistentVolumeClaim\\.[a-z]+"
                  + "\\.(options\\.claimName|mount\\.path)"));

  /** A key's line, or one that is commented out. */
  private static final Pattern KEY = Pattern.compile("#?(spark\\.\\S+)\\s+\\S.*");

  @BeforeAll
  static void fillTheRegistry() {
    // Entries are registered when these objects are made.
    assertThat(
            Stream.of(
                package$.MODULE$, Deploy$.MODULE$, Network$.MODULE$, UI$.MODULE$, Worker$.MODULE$))
        .doesNotContainNull();
  }

  static List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(ConfFiles.FOLDER)) {
      return files.filter(file -> file.toString().endsWith(".conf")).sorted().toList();
    }
  }

  @ParameterizedTest
  @MethodSource("files")
  void everyKeyExistsAndEveryValueCanBeRead(Path file) throws IOException {
    Map<String, String> conf = ConfFiles.properties(file);
    assertThat(conf).isNotEmpty();
    conf.forEach(
        (key, value) -> {
          if (key.startsWith("spark.rapids.") || RunOption.ofKey(key).isPresent()) {
            return;
          }
          Optional<ConfigEntry<?>> entry = entry(key);
          if (entry.isPresent()) {
            assertThat(entry.get().valueConverter().apply(value)).as(key).isNotNull();
          } else {
            assertThat(OUTSIDE_OF_REGISTRY)
                .as("%s: %s is no key of Spark", file.getFileName(), key)
                .anyMatch(pattern -> pattern.matcher(key).matches());
          }
        });
  }

  @ParameterizedTest
  @MethodSource("files")
  void sparsefillTakesTheFile(Path file) throws IOException {
    Map<RunOption, String> commandLine =
        Map.of(RunOption.MODEL, "model", RunOption.INPUT, "in", RunOption.OUTPUT, "out");

    RunOptions options =
        RunOptions.of(OptionValues.resolve(commandLine, ConfFiles.properties(file)));

    assertThat(options.compute().backend())
        .isEqualTo(file.endsWith("spark-defaults-local.conf") ? "auto" : "cuda");
  }

  @ParameterizedTest
  @MethodSource("files")
  void linesThatAreCommentedOutNameKeysToo(Path file) throws IOException {
    for (String line : Files.readAllLines(file)) {
      var matcher = KEY.matcher(line);
      if (matcher.matches() && !matcher.group(1).startsWith("spark.rapids.")) {
        String key = matcher.group(1);
        assertThat(
                entry(key).isPresent()
                    || RunOption.ofKey(key).isPresent()
                    || OUTSIDE_OF_REGISTRY.stream().anyMatch(p -> p.matcher(key).matches()))
            .as("%s: %s is a key", file.getFileName(), key)
            .isTrue();
      }
    }
  }

  /** Where a fault would be repeated: see README, "On a GPU cluster". */
  @ParameterizedTest
  @MethodSource("files")
  void nothingIsPrefilledTwiceAtOnce(Path file) throws IOException {
    assertThat(ConfFiles.properties(file)).containsEntry("spark.speculation", "false");
  }

  /** Sparsefill's looks at what the accelerator's pool has left, so it starts after that one. */
  @ParameterizedTest
  @MethodSource("files")
  void ourPluginIsTheLast(Path file) throws Exception {
    String plugin = SparsefillPlugin.class.getName();
    assertThat(Files.readString(file)).contains(plugin);
    String plugins = ConfFiles.properties(file).get("spark.plugins");
    if (plugins != null) { // in one file it is a line that is commented out
      assertThat(List.of(plugins.split(",")).indexOf(plugin))
          .as(plugins)
          .isEqualTo(plugins.split(",").length - 1);
    }
  }

  private static Optional<ConfigEntry<?>> entry(String key) {
    if (SQLConf$.MODULE$.containsConfigKey(key)) {
      return Optional.of(SQLConf$.MODULE$.getConfigEntry(key));
    }
    return Optional.ofNullable(ConfigEntry.findEntry(key));
  }
}
