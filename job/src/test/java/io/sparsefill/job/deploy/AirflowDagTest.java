package io.sparsefill.job.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.job.Main;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code conf/airflow_dag.py}, executed by Python against stand-ins for Airflow's classes which
 * take the parameters that the real ones have (apache-airflow 3, its Spark provider), and no other.
 * Oracle of the commands: our command line.
 */
class AirflowDagTest {
  @TempDir Path folder;

  @Test
  void tasksSubmitCommandsThatThereAre() throws Exception {
    Programs.assumePresent("python3", "--version");
    Path show = Path.of(AirflowDagTest.class.getResource("airflow/show_dag.py").toURI());
    Programs.Ended python =
        Programs.run(
            folder,
            Map.of(),
            "python3",
            "-B",
            show.toString(),
            ConfFiles.FOLDER.resolve("airflow_dag.py").toString());
    assertThat(python.code()).as(python.text()).isZero();

    JsonNode dags = new ObjectMapper().readTree(python.text());

    assertThat(dags).hasSize(1);
    JsonNode dag = dags.get(0);
    assertThat(dag.get("catchup").asBoolean()).isFalse();
    assertThat(dag.get("max_active_runs").asInt()).isEqualTo(1);
    assertThat(dag.get("tasks")).hasSize(2);
    for (JsonNode task : dag.get("tasks")) {
      assertThat(task.get("java_class").asText()).isEqualTo(Main.class.getName());
      // SparkSubmitIT says why.
      assertThat(task.get("deploy_mode").asText()).isEqualTo("client");
      List<String> arguments = ConfFiles.texts(task.get("application_args"));
      Path properties = Path.of(task.get("properties_file").asText());
      Path conf = ConfFiles.FOLDER.resolve(properties.getFileName());
      assertThat(Files.exists(conf)).as("%s", properties).isTrue();
      Map<String, String> read = ConfFiles.properties(conf);
      assertThat(CommandCheck.parses(arguments, read)).isEqualTo(arguments.get(0));
    }
    assertThat(ConfFiles.texts(dag.get("tasks").get(0).get("downstream")))
        .containsExactly("verify");
  }
}
