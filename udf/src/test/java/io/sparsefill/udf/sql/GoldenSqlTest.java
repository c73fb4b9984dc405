package io.sparsefill.udf.sql;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.udf.SharedMaterial;
import io.sparsefill.udf.TopTokens;
import io.sparsefill.udf.model.RopeFrequencies;
import io.sparsefill.udf.model.Safetensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * SQL over every family. Oracle: what transformers computed in fp32 for {@code golden/hf}, whose
 * models get a tokenizer of the words {@code t0}, {@code t1}, ...
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GoldenSqlTest {
  private static final int[] LENGTHS = {7, 300, 1000};
  private static final double NATS = 1e-3;

  static List<Path> cases() throws IOException {
    return SharedMaterial.goldenModels();
  }

  @AfterAll
  static void close() {
    SqlSession.closeAll();
  }

  /** Of the two rotary frequencies, the oracle's are those that fit. */
  @ParameterizedTest
  @MethodSource("cases")
  void nllAndLogitsAreThoseOfTransformers(Path golden, @TempDir Path folder) throws Exception {
    Path model = withTokenizer(golden, folder);
    Safetensors expected = Safetensors.open(golden.resolve("golden.safetensors"));
    double least = Double.POSITIVE_INFINITY;
    for (RopeFrequencies frequencies : RopeFrequencies.values()) {
      SqlSession session =
          SqlSession.of(
              "model",
              model.toString(),
              "bos",
              "never",
              "attention",
              "dense",
              "rope-frequencies",
              frequencies.label());
      SparsefillFunctions.registerAll(session.spark());
      least = Math.min(least, worst(session, expected));
    }
    assertThat(least).as("worst difference in nats of %s", golden.getFileName()).isLessThan(NATS);
    SqlSession.closeAll();
  }

  private static double worst(SqlSession session, Safetensors expected) {
    String[] texts = new String[LENGTHS.length];
    for (int i = 0; i < texts.length; i++) {
      texts[i] =
          Arrays.stream(expected.ints("ids." + LENGTHS[i]))
              .mapToObj(id -> "t" + id)
              .collect(Collectors.joining(" "));
    }
    double worst = 0;
    List<Row> nll = session.select("prefill_nll(text)", texts);
    List<Row> logits = session.select("prefill_logits(text)", texts);
    for (int i = 0; i < texts.length; i++) {
      int n = LENGTHS[i];
      assertThat(nll.get(i).getStruct(1).<Integer>getAs("token_count")).isEqualTo(n);
      double mean =
          IntStream.range(0, n - 1).mapToDouble(t -> values(expected, "nll." + n)[t]).sum()
              / (n - 1);
      worst = Math.max(worst, Math.abs(nll.get(i).getStruct(1).<Double>getAs("nll") - mean));
      worst =
          Math.max(
              worst,
              worst(
                  logits.get(i).getStruct(1).getList(1), values(expected, "last_logits." + n), n));
    }
    return worst;
  }

  /** Near ties may change places, so each id is compared with its own and with its place. */
  private static double worst(List<Row> top, float[] logits, int n) {
    TopTokens all = TopTokens.of(logits, logits.length, n - 1);
    double worst = 0;
    for (int i = 0; i < top.size(); i++) {
      int id = top.get(i).getInt(0);
      int at =
          IntStream.range(0, logits.length)
              .filter(j -> all.ids()[j] == id)
              .findFirst()
              .orElseThrow();
      double ours = top.get(i).getDouble(2);
      worst = Math.max(worst, Math.abs(ours - all.logProbabilities()[i]));
      worst = Math.max(worst, Math.abs(ours - all.logProbabilities()[at]));
      assertThat(top.get(i).getString(1).strip()).isEqualTo("t" + id);
    }
    return worst;
  }

  private static float[] values(Safetensors file, String name) {
    HostMatrix matrix = file.matrix(name);
    float[] values = new float[Math.toIntExact(matrix.rows() * matrix.cols())];
    matrix.read(0, Math.toIntExact(matrix.rows()), values, 0);
    return values;
  }

  private static Path withTokenizer(Path golden, Path folder) throws IOException {
    for (String name : List.of("config.json", "model.safetensors")) {
      Files.copy(golden.resolve(name), folder.resolve(name));
    }
    String vocabulary =
        IntStream.range(0, 512)
            .mapToObj(id -> "\"t%d\":%d".formatted(id, id))
            .collect(Collectors.joining(","));
    Files.writeString(
        folder.resolve("tokenizer.json"),
        """
        {"version":"1.0","added_tokens":[],"pre_tokenizer":{"type":"WhitespaceSplit"},
         "model":{"type":"WordLevel","vocab":{%s},"unk_token":"t0"}}
        """
            .formatted(vocabulary));
    return folder;
  }
}
