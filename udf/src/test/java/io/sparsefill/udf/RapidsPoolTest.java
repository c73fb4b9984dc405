package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is said of the accelerator's pool beside a model. Oracle: the sum must fit the GPU. */
class RapidsPoolTest {
  private static final long GIB = 1L << 30;
  private static final long TOTAL = 80 * GIB;

  private final SparkConf conf =
      new SparkConf(false).set("spark.plugins", "com.nvidia.spark.SQLPlugin");

  @ParameterizedTest
  @ValueSource(longs = {1, 40, 63, 64, 70, 77})
  void theShareThatIsNamedLeavesRoomForTheModel(long needed) {
    String advice = RapidsPool.advice(conf, TOTAL, needed * GIB).orElseThrow();
    Matcher fraction =
        Pattern.compile("spark.rapids.memory.gpu.allocFraction=(0\\.\\d+),").matcher(advice);
    assertThat(fraction.find()).as(advice).isTrue();
    double share = Double.parseDouble(fraction.group(1));
    assertThat(share).isBetween(0.01, 0.2);
    assertThat(share * TOTAL + needed * GIB).isLessThan(TOTAL);
    assertThat(advice)
        .startsWith(
            "the RAPIDS Accelerator's pool may take 80.00 GiB of the GPU's 80.00 GiB"
                + " (spark.rapids.memory.gpu.allocFraction=1.0, the default): set ")
        .contains("spark.rapids.memory.gpu.maxAllocFraction=" + fraction.group(1))
        .endsWith("spark.rapids.memory.gpu.minAllocFraction=0");
  }

  @Test
  void aModelThatTakesTheWholeGpuLeavesNoPool() {
    assertThat(RapidsPool.advice(conf, TOTAL, 79 * GIB).orElseThrow())
        .contains("leave nothing of the GPU's 80.00 GiB")
        .contains("take com.nvidia.spark.SQLPlugin out of spark.plugins");
  }

  @Test
  void aPoolThatIsSmallEnoughOrAbsentIsNoReason() {
    assertThat(RapidsPool.advice(new SparkConf(false), TOTAL, GIB)).isEmpty();
    conf.set("spark.rapids.memory.gpu.allocFraction", "0.2");
    assertThat(RapidsPool.advice(conf, TOTAL, 60 * GIB)).isEmpty();
    assertThat(RapidsPool.advice(conf, TOTAL, 70 * GIB).orElseThrow())
        .contains("may take 16.00 GiB", "allocFraction=0.2)", "allocFraction=0.11");
    conf.set("spark.rapids.memory.gpu.pool", "none");
    assertThat(RapidsPool.advice(conf, TOTAL, 70 * GIB)).isEmpty();
  }
}
