package io.sparsefill.udf.bench;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.kernels.attention.PatternTable;
import io.sparsefill.kernels.bench.HistogramPattern;
import io.sparsefill.udf.model.Checkpoint;
import io.sparsefill.udf.model.ModelIdentity;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Models that are made up can be opened and pre-filled, and have the structure that they claim. */
class MakeModelTest {
  @TempDir Path folder;

  private Path make(String name, String... more) throws Exception {
    Path model = folder.resolve(name);
    String[] args = {"--output", model.toString(), "--like", "small"};
    String[] all = new String[args.length + more.length];
    System.arraycopy(args, 0, all, 0, args.length);
    System.arraycopy(more, 0, all, args.length, more.length);
    assertThat(MakeModel.run(all)).isZero();
    return model;
  }

  @Test
  void structureIsFoundByTheEstimateAndNoiseIsNot() throws Exception {
    Path planted = make("planted");
    Path plain = make("plain", "--plain");
    // Noise scatters 400 distances so that they touch nearly every tile.
    assertThat(density(plain)).isGreaterThan(0.9);
    assertThat(density(planted)).isLessThan(0.5);
  }

  private double density(Path model) throws Exception {
    Path file = folder.resolve(model.getFileName() + ".json");
    int code =
        PrefillBench.run(
            "--model",
            model.toString(),
            "--random-tokens",
            "--lengths",
            "4096",
            "--attention",
            "dense,vertical-slash:30:400",
            "--emit",
            "kv,logits",
            "--weights",
            "resident,stream",
            "--sink",
            "counting,none",
            "--rounds",
            "1",
            "--threads",
            "2",
            "--backend",
            "cpu",
            "--json",
            file.toString());
    assertThat(code).isZero();
    JsonNode rows =
        new ObjectMapper()
            .readTree(file.toFile())
            .get("tables")
            .get("Whole pre-fill, medians of 1 runs in turns");
    assertThat(rows).hasSize(8);
    for (JsonNode row : rows) {
      boolean counted = row.get("sink").asText().equals("counting");
      // 2 x 4 layers x 4096 tokens x 2 KV heads x 64 dimensions x 2 bytes
      assertThat(row.get("K/V out, GB").asDouble()).isEqualTo(counted ? 8388608 / 1e9 : 0);
      assertThat(row.get("changed blocks").asInt()).isZero();
    }
    return rows.get(rows.size() - 1).get("density").asDouble();
  }

  @Test
  void theSameSeedGivesTheSameBytes() throws Exception {
    ModelIdentity first = Checkpoint.identity(make("first"));
    assertThat(Checkpoint.identity(make("second")).weightsSha256())
        .isEqualTo(first.weightsSha256());
    assertThat(Checkpoint.identity(make("third", "--seed", "2")).weightsSha256())
        .isNotEqualTo(first.weightsSha256());
  }

  @Test
  void patternsAreAsOftenAsInTheHistogram() {
    ModelShape llama = ModelShape.NAMED.get("llama-3-8b");
    PatternTable table = PatternTable.parse(llama.patterns(1).toJson(), 32, 32);
    for (HistogramPattern part : HistogramPattern.LLAMA_3_8B_262K) {
      long count = 0;
      for (int layer = 0; layer < 32; layer++) {
        List<PatternTable.Entry> entries = table.layer(layer);
        count += entries.stream().filter(e -> e.toPattern().equals(part.pattern())).count();
      }
      assertThat(count).as("%s", part.pattern()).isEqualTo(part.heads());
    }
  }

  @Test
  void aFolderWithFilesIsRefused() throws Exception {
    Files.writeString(folder.resolve("notes.txt"), "mine");
    assertThat(MakeModel.run("--output", folder.toString(), "--like", "small")).isEqualTo(2);
    assertThat(folder).isDirectoryContaining("glob:**notes.txt");
    assertThat(folder.resolve("config.json")).doesNotExist();
  }
}
