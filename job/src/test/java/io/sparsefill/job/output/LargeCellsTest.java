package io.sparsefill.job.output;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentStatus;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.KvBlock;
import io.sparsefill.udf.SideThread;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * 120 cells of 16 MiB (60 blocks, key and value) through a JVM of 1 GiB: written, committed, and
 * verified by Spark. Four lanes write them at the same time: were a row group as large as the other
 * tables', or looked at as seldom as Parquet does by default, they would not fit. The oracle is
 * each block's checksum.
 */
class LargeCellsTest {
  private static final int BLOCKS = 60;
  private static final int LANES = 4;
  private static final int CELL_BYTES = 16 << 20;
  private static final int HEAD_DIM = 1024;
  private static final int KV_HEADS = 8;
  private static final int BLOCK_TOKENS = CELL_BYTES / (HEAD_DIM * KV_HEADS * 2);

  @TempDir Path temp;

  @Test
  void bigCellsPassThroughASmallHeap() throws Exception {
    Path log = temp.resolve("child.log");
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("@" + Path.of(System.getProperty("sparsefill.root"), "job/bin/jvm-options"));
    command.add("-Xmx1g");
    command.add("-cp");
    command.add(System.getProperty("java.class.path"));
    command.add(LargeCellsTest.class.getName());
    command.add(temp.resolve("out").toString());
    Process child =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    try {
      assertThat(child.waitFor(5, TimeUnit.MINUTES)).isTrue();
    } finally {
      child.destroyForcibly();
    }
    String output = Files.readString(log, StandardCharsets.UTF_8);
    assertThat(child.exitValue()).as(output).isZero();
    assertThat(output).contains("All is well.");
    long bytes = 0;
    List<String> files = Outputs.files(temp.resolve("out/kv"));
    assertThat(files).hasSizeGreaterThanOrEqualTo(3);
    for (String file : files) {
      bytes += Files.size(temp.resolve("out/kv").resolve(file));
    }
    assertThat(bytes).isGreaterThan(2L * BLOCKS * CELL_BYTES);
  }

  /** The child: writes the output folder of its argument and verifies it. */
  public static void main(String[] args) throws Exception {
    Map<String, String> identity = Outputs.identity();
    identity.put(Identity.LAYERS, "2");
    identity.put(Identity.KV_HEADS, "" + KV_HEADS);
    identity.put(Identity.HEAD_DIM, "" + HEAD_DIM);
    identity.put(Identity.BLOCK_TOKENS, "" + BLOCK_TOKENS);
    identity.put(Identity.EMIT, "kv");
    Configuration conf = new Configuration();
    try (OutputFolder folder =
        OutputFolder.open(conf, args[0], identity, "big", Map.of(), Claim.of("run", ""))) {
      folder.commitWave(1, List.of(write(folder, conf)));
    }
    try (SparkSession spark = Outputs.spark()) {
      VerifyReport report = Verification.run(spark, args[0], VerifyOptions.sample(0), null);
      System.out.println(report.text());
    }
  }

  private static TaskOutput write(OutputFolder folder, Configuration conf) throws Exception {
    int tokens = BLOCKS / 2 * BLOCK_TOKENS;
    WriterOptions options = folder.writerOptions(1, KvCompression.ZSTD, LANES);
    try (TableWriters writers = TableWriters.open(conf, options, 0, 1)) {
      try (SideThread threads = new SideThread("lane", LANES, true)) {
        List<Future<Void>> lanes = new ArrayList<>();
        for (int lane = 0; lane < LANES; lane++) {
          int mine = lane;
          lanes.add(
              threads.submit(
                  () -> {
                    lane(writers, mine);
                    return null;
                  }));
        }
        for (Future<Void> lane : lanes) {
          lane.get();
        }
      }
      writers.tokens("d", new int[tokens], BLOCK_TOKENS);
      DocumentRow row = Outputs.row(folder, "d", tokens, DocumentStatus.OK);
      return writers.finish(List.of(row));
    }
  }

  private static void lane(TableWriters writers, int lane) throws IOException {
    Random random = new Random(lane);
    for (int layer = 0; layer < 2; layer++) {
      for (int block = (lane - layer + LANES) % LANES; block < BLOCKS / 2; block += LANES) {
        byte[] key = new byte[CELL_BYTES];
        byte[] value = new byte[CELL_BYTES];
        random.nextBytes(key);
        random.nextBytes(value);
        writers.kv(
            "d",
            new KvBlock(
                layer,
                block,
                block * BLOCK_TOKENS,
                BLOCK_TOKENS,
                KvDtype.BF16,
                key,
                value,
                KvBlock.checksum(key, value)));
      }
    }
  }
}
