package io.sparsefill.job.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * {@code conf/Dockerfile} as far as it can be checked without Docker. Oracles: the instructions
 * that Docker's reference lists, and the files of the project.
 */
class DockerfileTest {
  private static final Set<String> INSTRUCTIONS =
      Set.of("ARG", "FROM", "RUN", "COPY", "ENV", "WORKDIR", "USER");

  private Dockerfile file;

  @BeforeEach
  void read() throws IOException {
    file = Dockerfile.read(ConfFiles.FOLDER.resolve("Dockerfile"));
  }

  @Test
  void instructionsExist() {
    assertThat(file.instructions())
        .allSatisfy(each -> assertThat(INSTRUCTIONS).contains(each.name()))
        .allSatisfy(each -> assertThat(each.words()).isNotEmpty());
  }

  /** Images are short names of Docker Hub, which an argument replaces. */
  @Test
  void everyStageIsFromAnArgumentAStageOrNothing() {
    Set<String> stages = new HashSet<>(Set.of("scratch"));
    for (Dockerfile.Instruction from : file.all("FROM")) {
      String base = from.operands().get(0);
      if (base.startsWith("${")) {
        String image = file.argument(base.substring(2, base.length() - 1));
        assertThat(stages.contains(image) || image.matches("[a-z]+(/[a-z]+)?:[\\w.-]+"))
            .as(image)
            .isTrue();
      } else {
        assertThat(stages).contains(base);
      }
      if (from.operands().size() > 1) {
        assertThat(from.operands().get(1)).isEqualTo("AS");
        stages.add(from.operands().get(2));
      }
    }
    for (Dockerfile.Instruction copy : file.all("COPY")) {
      for (String word : copy.words()) {
        if (word.startsWith("--from=")) {
          assertThat(stages).contains(word.substring("--from=".length()));
        }
      }
    }
  }

  /** What is copied into the build is there, and {@code .dockerignore} lets it through. */
  @Test
  void sourcesAreInTheContext() throws IOException {
    List<String> ignore =
        Files.readAllLines(ConfFiles.FOLDER.resolve("Dockerfile.dockerignore")).stream()
            .filter(line -> !line.startsWith("#"))
            .toList();
    assertThat(ignore).startsWith("*");
    List<String> sources = new ArrayList<>();
    for (Dockerfile.Instruction copy : file.all("COPY")) {
      if (copy.words().stream().noneMatch(word -> word.startsWith("--from="))) {
        sources.addAll(copy.operands().subList(0, copy.operands().size() - 1));
      }
    }
    assertThat(sources).hasSizeGreaterThan(5);
    for (String source : sources) {
      assertThat(ignore).as(source).contains("!" + source);
      if (!source.startsWith("job/target/")) {
        assertThat(ConfFiles.FOLDER.resolveSibling(source)).exists();
      }
    }
  }

  /** The jar that a build leaves is the one that both ways of getting it copy. */
  @Test
  void theJarIsTheOneThatMavenMakes() throws IOException {
    String pom = Files.readString(ConfFiles.FOLDER.resolveSibling("pom.xml"));
    String version = pom.split("<version>", 2)[1].split("</version>", 2)[0];
    Path jar = Path.of("job/target/sparsefill-job-" + version + "-all.jar");
    String pattern = "job/target/sparsefill-job-*-all.jar";
    assertThat(FileSystems.getDefault().getPathMatcher("glob:" + pattern).matches(jar)).isTrue();
    assertThat(file.all("RUN").get(0).words()).contains(pattern);
    assertThat(file.all("COPY").stream().flatMap(copy -> copy.words().stream())).contains(pattern);
  }

  @Test
  void theImageRunsAsSparksUserAndHasConf() {
    List<Dockerfile.Instruction> image = file.image();
    assertThat(image.get(image.size() - 1).name()).isEqualTo("USER");
    assertThat(image.get(image.size() - 1).words()).containsExactly("spark");
    assertThat(file.holds("/opt/sparsefill/conf/models/needle-2m/config.json")).isTrue();
    assertThat(ConfFiles.FOLDER.resolve("getGpus.sh")).isExecutable();
  }
}
