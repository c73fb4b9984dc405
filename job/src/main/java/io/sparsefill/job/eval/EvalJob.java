package io.sparsefill.job.eval;

import io.sparsefill.job.JavaBytes;
import io.sparsefill.job.eval.task.Haystack;
import io.sparsefill.job.eval.task.Wording;
import io.sparsefill.udf.text.BosPolicy;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.UUID;
import org.apache.spark.broadcast.Broadcast;

/**
 * What the tasks of an evaluation have in common; travels once to each executor.
 *
 * @param id names this evaluation in its executors
 * @param model folder of the checkpoint
 * @param bos names, with the model, the tokenizer
 * @param wording of prompts
 * @param haystack texts, or null
 * @param questions about a context of many keys
 * @param seed of sample 0
 * @param modes under test
 */
record EvalJob(
    UUID id,
    String model,
    BosPolicy bos,
    Wording wording,
    Haystack haystack,
    int questions,
    long seed,
    ArrayList<EvalMode> modes)
    implements Serializable {
  private static final long serialVersionUID = 1L;

  /** The one that this JVM has decoded last; texts are large, and samples are many. */
  private static EvalJob latest;

  /** The job of a broadcast. */
  static synchronized EvalJob of(Broadcast<byte[]> bytes, UUID id) {
    if (latest == null || !latest.id.equals(id)) {
      latest = JavaBytes.read(bytes.value(), EvalJob.class);
    }
    return latest;
  }
}
