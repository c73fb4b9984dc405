package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Scratch folders that Spark cannot write, which is so below a file, for root too. */
class StartChecksTest {
  @TempDir Path folder;
  private final SparkConf conf = new SparkConf(false);
  private String broken;

  @BeforeEach
  void write() throws Exception {
    broken = Files.writeString(folder.resolve("file"), "").resolve("scratch").toString();
  }

  @Test
  void scratchFoldersOfWhichNoneCanBeWrittenAreNamedWithTheirKey() {
    conf.set("spark.local.dir", broken + ", " + broken + "2");
    assertThatThrownBy(() -> StartChecks.checkScratch(conf, null))
        .isInstanceOf(UsageException.class)
        .hasMessageStartingWith(
            "Cannot start Spark: it has no scratch folder on this machine: cannot write to "
                + broken)
        .hasMessageContaining("cannot write to " + broken + "2: ")
        .hasMessageEndingWith("; let spark.local.dir name one that can be written and has room");
    assertThatThrownBy(() -> StartChecks.checkScratch(new SparkConf(false), broken))
        .hasMessageContaining("let SPARK_LOCAL_DIRS name one");
  }

  @Test
  void oneThatCanBeWrittenIsEnough() {
    conf.set("spark.local.dir", broken + "," + folder);
    StartChecks.checkScratch(conf, null);
    StartChecks.checkScratch(conf, folder.toString());
    StartChecks.checkScratch(new SparkConf(false), null);
  }

  @Test
  void acceleratorsSetUpIsAMistakeOfUsage() {
    conf.set("spark.plugins", "com.nvidia.spark.SQLPlugin");
    conf.set("spark.executor.resource.gpu.amount", "2");
    assertThatThrownBy(() -> StartChecks.check(conf))
        .isInstanceOf(UsageException.class)
        .hasMessageContaining("takes one GPU for an executor");
  }
}
