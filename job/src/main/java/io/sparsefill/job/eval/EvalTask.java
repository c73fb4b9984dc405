package io.sparsefill.job.eval;

import io.sparsefill.job.JavaBytes;
import io.sparsefill.udf.text.SharedTokenizer;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.apache.spark.api.java.function.Function;
import org.apache.spark.broadcast.Broadcast;

/** A unit in a Spark task: serialised {@link Work} in, serialised {@link UnitResult} out. */
final class EvalTask implements Function<byte[], byte[]> {
  private static final long serialVersionUID = 1L;

  private final Broadcast<byte[]> job;
  private final UUID id;

  /**
   * For an evaluation.
   *
   * @param job serialised {@link EvalJob}
   * @param id its id
   */
  EvalTask(Broadcast<byte[]> job, UUID id) {
    this.job = job;
    this.id = id;
  }

  /**
   * What is to be computed.
   *
   * @param modes which of the job's modes
   */
  record Work(EvalUnit unit, ArrayList<Integer> modes) implements Serializable {
    private static final long serialVersionUID = 1L;
  }

  @Override
  public byte[] call(byte[] bytes) throws Exception {
    Work work = JavaBytes.read(bytes, Work.class);
    EvalJob all = EvalJob.of(job, id);
    List<EvalMode> modes = work.modes().stream().map(all.modes()::get).toList();
    try (SharedTokenizer tokenizer = SharedTokenizer.acquire(all.model(), all.bos())) {
      return JavaBytes.of(new UnitScoring(all, tokenizer.tokenizer()).score(work.unit(), modes));
    }
  }
}
