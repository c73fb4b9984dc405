package io.sparsefill.job.run;

import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentStatus;
import io.sparsefill.job.JavaBytes;
import io.sparsefill.job.TokenizedDocument;
import io.sparsefill.job.output.Claim;
import io.sparsefill.job.output.Identity;
import io.sparsefill.job.output.OutputFolder;
import io.sparsefill.job.output.TaskOutput;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.FlatMapFunction;

/** Pre-fills nothing, but takes the time for it, as a device does: without this machine's cores. */
final class FakeEngine implements FlatMapFunction<Iterator<TokenizedDocument>, byte[]> {
  private static final long serialVersionUID = 1L;
  private static final String RUN = "fake";

  private final double tokensPerSecond;
  private final String fingerprint;

  /**
   * For one output.
   *
   * @param fingerprint of the output
   */
  FakeEngine(double tokensPerSecond, String fingerprint) {
    this.tokensPerSecond = tokensPerSecond;
    this.fingerprint = fingerprint;
  }

  /** An output of the engine. */
  static OutputFolder open(JavaSparkContext spark, String folder) throws IOException {
    Map<String, String> identity =
        Map.of(
            Identity.LAYERS, "1",
            Identity.KV_HEADS, "1",
            Identity.HEAD_DIM, "1",
            Identity.KV_DTYPE, "bf16",
            Identity.BLOCK_TOKENS, "256",
            Identity.EMIT, "logits",
            Identity.LAST_POSITIONS, "1");
    return OutputFolder.open(
        spark.hadoopConfiguration(), folder, identity, RUN, Map.of(), Claim.of("run", ""));
  }

  /** Document number {@code i}. */
  static TokenizedDocument document(int i, int[] tokens) {
    return new TokenizedDocument("d" + i, "made " + i, "", tokens, DocumentStatus.OK, null, null);
  }

  /** Lets time pass; returns how much it was, a late waking included. */
  static double passes(double seconds) {
    long begin = System.nanoTime();
    long end = begin + (long) (seconds * 1e9);
    for (long left = end - System.nanoTime(); left > 0; left = end - System.nanoTime()) {
      LockSupport.parkNanos(left);
    }
    return (System.nanoTime() - begin) / 1e9;
  }

  @Override
  public Iterator<byte[]> call(Iterator<TokenizedDocument> documents) throws Exception {
    long started = System.currentTimeMillis();
    List<DocumentRow> rows = new ArrayList<>();
    double all = 0;
    try (ReadAhead<TokenizedDocument> reading = new ReadAhead<>(documents)) {
      for (Optional<TokenizedDocument> next = reading.next();
          next.isPresent();
          next = reading.next()) {
        double seconds = passes(next.get().tokenIds().length / tokensPerSecond);
        all += seconds;
        rows.add(
            row(next.get().docId(), next.get().source(), next.get().tokenIds().length, seconds));
      }
    }
    TaskOutput output = new TaskOutput(TaskContext.get().partitionId(), List.of(), rows, started);
    EngineTime time = new EngineTime(all, 0, (System.currentTimeMillis() - started) / 1e3);
    return List.of(JavaBytes.of(new FilledBin(output, time))).iterator();
  }

  private DocumentRow row(String docId, String source, int tokens, double seconds) {
    return new DocumentRow(
        docId,
        source,
        "",
        tokens,
        DocumentStatus.OK,
        null,
        "dense",
        1.0,
        seconds,
        "fake",
        fingerprint,
        RUN);
  }
}
