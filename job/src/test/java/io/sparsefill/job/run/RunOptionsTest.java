package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.OnTooLong;
import io.sparsefill.job.output.KvCompression;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.model.RopeFrequencies;
import io.sparsefill.udf.text.BosPolicy;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Options from the command line and from Spark's configuration; the oracle is what each test names.
 */
class RunOptionsTest {
  private static Map<RunOption, String> required() {
    Map<RunOption, String> given = new EnumMap<>(RunOption.class);
    given.put(RunOption.MODEL, "m");
    given.put(RunOption.INPUT, "i");
    given.put(RunOption.OUTPUT, "o");
    return given;
  }

  private static RunOptions read(Map<RunOption, String> commandLine, Map<String, String> conf) {
    return RunOptions.of(OptionValues.resolve(commandLine, conf));
  }

  @Test
  void defaultsAreThoseOfTheDesign() {
    RunOptions options = read(required(), Map.of());

    assertThat(options.model()).isEqualTo("m");
    assertThat(options.input().input()).isEqualTo("i");
    assertThat(options.input().format()).isNull();
    assertThat(options.input().idColumn()).isEqualTo("doc_id");
    assertThat(options.input().textColumn()).isEqualTo("text");
    assertThat(options.input().tokensColumn()).isEqualTo("token_ids");
    assertThat(options.input().limit()).isNull();
    assertThat(options.tokens())
        .isEqualTo(new RunOptions.Tokens(BosPolicy.AUTO, 0, OnTooLong.FAIL, 0));
    assertThat(options.compute())
        .isEqualTo(
            new RunOptions.Compute(
                "minference", null, "auto", false, "resident", RopeFrequencies.FP32));
    assertThat(options.output().path()).isEqualTo("o");
    assertThat(options.output().emit()).containsExactlyInAnyOrder(Emit.KV, Emit.LOGITS);
    assertThat(options.output().lastPositions()).isEqualTo(1);
    assertThat(options.output().topK()).isEqualTo(20);
    assertThat(options.output().fullLogits()).isFalse();
    assertThat(options.output().kvDtype()).isEqualTo(KvDtype.BF16);
    assertThat(options.output().blockTokens()).isEqualTo(256);
    assertThat(options.output().kvCompression()).isEqualTo(KvCompression.ZSTD);
    assertThat(options.output().writerThreads()).isEqualTo(new WriterThreads(0));
    assertThat(options.limits()).isEqualTo(new RunOptions.Limits(300, 0.05, false));
    assertThat(options.dryRun()).isFalse();
    assertThat(options.master()).isNull();
  }

  @Test
  void commandLineWinsOverSparkConfWhichWinsOverDefault() {
    Map<String, String> conf = new HashMap<>();
    conf.put("spark.sparsefill.top-k", "7");
    conf.put("spark.sparsefill.block-tokens", "64");
    conf.put("spark.sparsefill.strict", "true");
    conf.put("spark.executor.cores", "4");
    Map<RunOption, String> commandLine = required();
    commandLine.put(RunOption.TOP_K, "3");
    commandLine.put(RunOption.STRICT, "false");

    RunOptions options = read(commandLine, conf);

    assertThat(options.output().topK()).isEqualTo(3);
    assertThat(options.output().blockTokens()).isEqualTo(64);
    assertThat(options.limits().strict()).isFalse();
    assertThat(options.output().lastPositions()).isEqualTo(1);
  }

  @Test
  void everyOptionIsReadFromItsSparkKey() {
    for (RunOption option : RunOption.values()) {
      OptionValues values =
          OptionValues.resolve(Map.of(), Map.of(option.key(), "given for " + option));
      assertThat(values.text(option)).isEqualTo("given for " + option);
    }
  }

  @Test
  void unknownKeyNamesTheNearestKnownOnes() {
    assertThatThrownBy(() -> read(required(), Map.of("spark.sparsefill.maxtokens", "5")))
        .isInstanceOf(UsageException.class)
        .hasMessageContaining("spark.sparsefill.maxtokens: unknown")
        .hasMessageContaining("spark.sparsefill.max-tokens");
  }

  @ParameterizedTest
  @CsvSource({
    "KV_DTYPE, int8, 'bf16, fp16, fp32 and fp8'",
    "EMIT, 'kv,keys', 'kv, logits, nll, token-nll, hidden'",
    "ON_TOO_LONG, cut, 'fail, truncate, skip'",
    "BOS, yes, 'auto, always'",
    "ROPE_FREQUENCIES, fp64, 'fp32 and bf16'",
    "BACKEND, gpu, 'auto, cpu, cuda'",
    "WEIGHTS, mapped, 'resident, stream'",
    "FORMAT, csv, 'auto, text, jsonl, parquet, table'",
    "KV_COMPRESSION, gzip, 'zstd and uncompressed (or none)'",
    "WRITER_THREADS, 0, 'auto, or a number from 1 to 64'",
    "WRITER_THREADS, 65, 'auto, or a number from 1 to 64'",
    "WRITER_THREADS, many, 'auto, or a number from 1 to 64'",
    "STRICT, 1, 'true, false'",
    "MAX_ERROR_RATE, 5, 'a number from 0.0 to 1.0'",
    "MAX_ERROR_RATE, NaN, 'a number from 0.0 to 1.0'",
    "WAVE_SECONDS, 0, 'a number from 0.001 to'",
    "BLOCK_TOKENS, 0, 'a whole number of at least 1'",
    "LIMIT, ten, 'a whole number of at least 1'",
    "MAX_TOKENS, -1, 'a whole number of at least 0'"
  })
  void badValueNamesTheOptionAndWhatIsAccepted(RunOption option, String value, String accepted) {
    Map<RunOption, String> commandLine = required();
    commandLine.put(option, value);
    assertThatThrownBy(() -> read(commandLine, Map.of()))
        .isInstanceOf(UsageException.class)
        .hasMessageStartingWith("Cannot use " + option.flag() + " " + value)
        .hasMessageContaining(accepted);

    assertThatThrownBy(() -> read(required(), Map.of(option.key(), value)))
        .isInstanceOf(UsageException.class)
        .hasMessageStartingWith("Cannot use " + option.key() + "=" + value)
        .hasMessageContaining(accepted);
  }

  @Test
  void missingOptionNamesBothWaysToGiveIt() {
    Map<RunOption, String> commandLine = required();
    commandLine.remove(RunOption.OUTPUT);
    assertThatThrownBy(() -> read(commandLine, Map.of()))
        .isInstanceOf(UsageException.class)
        .hasMessageContaining("--output is missing")
        .hasMessageContaining("spark.sparsefill.output");

    commandLine.put(RunOption.DRY_RUN, "true");
    assertThat(read(commandLine, Map.of()).output().path()).isNull();
  }

  @ParameterizedTest
  @CsvSource({"abc, abc, 0", "abc, abd, 1", "abc, ab, 1", "'', abc, 3", "kitten, sitting, 3"})
  void editDistanceOfKnownPairs(String from, String to, int distance) {
    assertThat(OptionValues.editDistance(from, to)).isEqualTo(distance);
  }

  @Test
  void noneIsAnotherWordForUncompressed() {
    assertThat(KvCompression.of("none")).isEqualTo(KvCompression.UNCOMPRESSED);
    assertThat(KvCompression.of("none").label()).isEqualTo("uncompressed");
  }
}
