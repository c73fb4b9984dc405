package io.sparsefill.job.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparsefill.job.Main;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code conf/databricks}. Oracles: the fields of the bundle's JSON schema, our command line, and
 * the configurations for Databricks.
 */
class DatabricksBundleTest {
  private static final String SCHEMA = "databricks-bundle.schema.json";
  private static final String CLUSTER = "/resources/jobs/sparsefill/job_clusters/0/new_cluster";

  @TempDir Path folder;
  private JsonNode bundle;

  @BeforeEach
  void read() throws IOException {
    bundle = ConfFiles.yaml("databricks/databricks.yml");
  }

  @Test
  void fieldsAreThoseOfTheBundlesSchema() throws IOException {
    assertThat(SchemaCheck.problems(SCHEMA, bundle)).isEmpty();
  }

  @Test
  void aMistakeInAFieldIsFound() throws IOException {
    ObjectNode cluster = (ObjectNode) bundle.at(CLUSTER);
    cluster.put("num_workers", "four");
    cluster.put("spark_config", "x");
    cluster.put("runtime_engine", "STANDART");

    assertThat(SchemaCheck.problems(SCHEMA, bundle))
        .hasSize(3)
        .anyMatch(problem -> problem.contains("num_workers is not of type"))
        .anyMatch(problem -> problem.contains("spark_config is unknown"))
        .anyMatch(problem -> problem.contains("runtime_engine is none of"));
  }

  @Test
  void commandsAreOnes() {
    JsonNode tasks = bundle.at("/resources/jobs/sparsefill/tasks");
    Map<String, String> conf = ConfFiles.map(bundle.at(CLUSTER + "/spark_conf"));
    for (JsonNode task : tasks) {
      JsonNode jar = task.get("spark_jar_task");
      assertThat(jar.get("main_class_name").asText()).isEqualTo(Main.class.getName());
      List<String> parameters = ConfFiles.texts(jar.get("parameters"));
      assertThat(CommandCheck.parses(parameters, conf)).isEqualTo(parameters.get(0));
    }
    assertThat(tasks).hasSize(2);
  }

  @Test
  void targetPlainSaysWhatTheConfigurationSays() throws IOException {
    assertThat(ConfFiles.map(bundle.at(CLUSTER + "/spark_conf")))
        .containsExactlyInAnyOrderEntriesOf(expected("spark-defaults-databricks.conf"));
  }

  @Test
  void targetRapidsSaysWhatItsConfigurationSays() throws IOException {
    JsonNode rapids = bundle.at("/targets/rapids" + CLUSTER);
    Map<String, String> merged = ConfFiles.map(bundle.at(CLUSTER + "/spark_conf"));
    merged.putAll(ConfFiles.map(rapids.get("spark_conf")));

    assertThat(merged)
        .containsExactlyInAnyOrderEntriesOf(expected("spark-defaults-databricks-rapids.conf"));
    assertThat(rapids.get("spark_version").asText()).isEqualTo("17.3.x-gpu-ml-scala2.13");
    // The two definitions are merged by the cluster's key.
    assertThat(
            bundle.at("/targets/rapids/resources/jobs/sparsefill/job_clusters/0/job_cluster_key"))
        .isEqualTo(bundle.at("/resources/jobs/sparsefill/job_clusters/0/job_cluster_key"));
  }

  /** The file's, but for the cores of a node, which are a variable of the bundle. */
  private static Map<String, String> expected(String file) throws IOException {
    Map<String, String> conf = new TreeMap<>(ConfFiles.properties(ConfFiles.FOLDER.resolve(file)));
    conf.put("spark.task.cpus", "${var.node_cores}");
    return conf;
  }

  @Test
  void everyVariableIsDeclaredAndUsed() throws IOException {
    String text = Files.readString(ConfFiles.FOLDER.resolve("databricks/databricks.yml"));
    Matcher used = Pattern.compile("\\$\\{var\\.([a-z_]+)}").matcher(text);
    List<String> names = used.results().map(found -> found.group(1)).distinct().toList();
    assertThat(names)
        .containsExactlyInAnyOrderElementsOf(ConfFiles.map(bundle.get("variables")).keySet());
  }

  /** The jar that Maven makes, at the path from the bundle's folder. */
  @Test
  void theJarIsTheOneThatIsBuilt() throws IOException {
    String pom = Files.readString(ConfFiles.FOLDER.resolveSibling("pom.xml"));
    String version = pom.split("<version>", 2)[1].split("</version>", 2)[0];
    String jar = "../../job/target/sparsefill-job-" + version + "-all.jar";
    assertThat(bundle.at("/artifacts/sparsefill/files/0/source").asText()).isEqualTo(jar);
    for (JsonNode task : bundle.at("/resources/jobs/sparsefill/tasks")) {
      assertThat(task.at("/libraries/0/jar").asText()).isEqualTo(jar);
    }
    Path root =
        ConfFiles.FOLDER
            .resolve("databricks")
            .resolve(bundle.at("/artifacts/sparsefill/path").asText());
    assertThat(root.resolve("pom.xml")).exists();
  }

  @Test
  void theInitScriptCopiesBothJars() throws Exception {
    Path from = Files.createDirectory(folder.resolve("from"));
    Path to = Files.createDirectory(folder.resolve("to"));
    Files.writeString(from.resolve("rapids-4-spark_2.13-26.08.1-cuda12.jar"), "r");
    Files.writeString(from.resolve("sparsefill-job-0.1.0-all.jar"), "s");

    Programs.Ended ended = copyJars(from, to);

    assertThat(ended.code()).as(ended.text()).isZero();
    assertThat(to.resolve("rapids-4-spark_2.13-26.08.1-cuda12.jar")).hasContent("r");
    assertThat(to.resolve("sparsefill-job-0.1.0-all.jar")).hasContent("s");
    assertThat(bundle.at("/targets/rapids" + CLUSTER + "/spark_env_vars").has("SPARSEFILL_JARS"))
        .isTrue();
  }

  @Test
  void theInitScriptRefusesAFolderWithoutOrWithTwo() throws Exception {
    Path from = Files.createDirectory(folder.resolve("from"));
    Path to = Files.createDirectory(folder.resolve("to"));
    Programs.Ended none = copyJars(from, to);
    assertThat(none.code()).isNotZero();
    assertThat(none.text()).contains("cannot copy rapids-4-spark_2.13-*.jar", "has 0 such files");

    Files.writeString(from.resolve("rapids-4-spark_2.13-26.08.1-cuda12.jar"), "r");
    Files.writeString(from.resolve("rapids-4-spark_2.13-26.06.0-cuda12.jar"), "r");
    Programs.Ended two = copyJars(from, to);
    assertThat(two.code()).isNotZero();
    assertThat(two.text()).contains("has 2 such files");
    assertThat(to).isEmptyDirectory();
  }

  private Programs.Ended copyJars(Path from, Path to) throws IOException, InterruptedException {
    Path script = ConfFiles.FOLDER.resolve("databricks/copy-jars.sh");
    return Programs.run(
        folder,
        Map.of("SPARSEFILL_JARS", from.toString(), "DATABRICKS_JARS", to.toString()),
        "bash",
        script.toString());
  }
}
