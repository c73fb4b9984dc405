package io.sparsefill.job.deploy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparsefill.job.Main;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import picocli.CommandLine.ParameterException;

/**
 * {@code conf/scheduled-spark-application.yaml}. Oracles: the fields of the operator's custom
 * resource, our command line, the configuration for Kubernetes and the image's Dockerfile.
 */
class KubernetesFileTest {
  private static final String SCHEMA = "scheduled-spark-application.schema.json";

  private JsonNode file;
  private JsonNode template;

  @BeforeEach
  void read() throws IOException {
    file = ConfFiles.yaml("scheduled-spark-application.yaml");
    template = file.at("/spec/template");
  }

  @Test
  void fieldsAreThoseOfTheCustomResource() throws IOException {
    assertThat(SchemaCheck.problems(SCHEMA, file)).isEmpty();
  }

  @Test
  void aMistakeInAFieldIsFound() throws IOException {
    ((ObjectNode) file).put("kind", "SparkJob");
    ((ObjectNode) file.get("spec")).remove("schedule");
    ((ObjectNode) template).put("executer", 1);
    ((ObjectNode) template.get("executor")).put("cores", 0);
    ((ObjectNode) template.get("sparkConf")).put("spark.task.maxFailures", 4);
    ((ArrayNode) template.get("arguments")).add(7);

    assertThat(SchemaCheck.problems(SCHEMA, file))
        .hasSize(6)
        .anyMatch(problem -> problem.startsWith(".kind is none of"))
        .anyMatch(problem -> problem.equals(".spec has no schedule"))
        .anyMatch(problem -> problem.startsWith(".spec.template.executer is unknown"))
        .anyMatch(problem -> problem.startsWith(".spec.template.executor.cores is below 1"))
        .anyMatch(problem -> problem.contains("maxFailures is not of type \"string\": 4"))
        .anyMatch(problem -> problem.contains("arguments[14] is not of type"));
  }

  @Test
  void itsCommandIsOne() throws IOException {
    List<String> arguments = ConfFiles.texts(template.get("arguments"));
    assertThat(template.get("mainClass").asText()).isEqualTo(Main.class.getName());
    assertThat(CommandCheck.parses(arguments, ConfFiles.map(template.get("sparkConf"))))
        .isEqualTo("run");
  }

  /** So that the checks of commands in this package are worth something. */
  @Test
  void aWrongCommandIsRefused() {
    assertThatThrownBy(() -> CommandCheck.parses(List.of("run", "--mode", "x"), Map.of()))
        .isInstanceOf(ParameterException.class)
        .hasMessageContaining("--mode");
    assertThatThrownBy(() -> CommandCheck.parses(List.of("run", "--model", "x"), Map.of()))
        .hasMessageContaining("--output is missing");
  }

  /** One truth: the keys of the file for spark-submit, some of which are fields here. */
  @Test
  void itSaysWhatTheConfigurationForKubernetesSays() throws IOException {
    Map<String, String> said = new LinkedHashMap<>(ConfFiles.map(template.get("sparkConf")));
    said.put("spark.kubernetes.container.image", template.at("/image").asText());
    said.put("spark.kubernetes.namespace", file.at("/metadata/namespace").asText());
    said.put(
        "spark.kubernetes.authenticate.driver.serviceAccountName",
        template.at("/driver/serviceAccount").asText());
    said.put("spark.driver.memory", template.at("/driver/memory").asText());
    said.put("spark.executor.instances", template.at("/executor/instances").asText());
    said.put("spark.executor.cores", template.at("/executor/cores").asText());
    said.put("spark.executor.memory", template.at("/executor/memory").asText());
    said.put("spark.executor.memoryOverhead", template.at("/executor/memoryOverhead").asText());

    assertThat(said)
        .containsExactlyInAnyOrderEntriesOf(
            ConfFiles.properties(ConfFiles.FOLDER.resolve("spark-defaults-kubernetes.conf")));
  }

  @Test
  void itsPathsAreInTheImage() throws IOException {
    Dockerfile image = Dockerfile.read(ConfFiles.FOLDER.resolve("Dockerfile"));
    assertThat(image.holds(template.get("mainApplicationFile").asText().replace("local://", "")))
        .isTrue();
    JsonNode conf = template.get("sparkConf");
    assertThat(image.holds(conf.get("spark.executor.resource.gpu.discoveryScript").asText()))
        .isTrue();
    assertThat(image.holds("/opt/sparsefill/sparsefill-all.jar")).isFalse();
    assertThat(image.argument("SPARK_IMAGE"))
        .contains(":" + template.get("sparkVersion").asText() + "-scala2.13-java17");
  }
}
