package io.sparsefill.job.eval;

import io.sparsefill.job.JavaBytes;
import io.sparsefill.job.TokenizedDocument;
import java.io.Serializable;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.broadcast.Broadcast;

/** Serialised documents of a partition in, one serialised {@link UnitResult} out. */
final class FidelityTask implements FlatMapFunction<Iterator<byte[]>, byte[]> {
  private static final long serialVersionUID = 1L;

  private final Broadcast<byte[]> job;
  private final UUID id;
  private final Broadcast<Set<String>> done;
  private final Asked asked;

  /**
   * What is compared.
   *
   * @param dense what modes are compared with
   * @param positions of a document, besides the last
   */
  record Asked(EvalMode dense, int positions) implements Serializable {
    private static final long serialVersionUID = 1L;
  }

  /**
   * For an evaluation.
   *
   * @param job serialised {@link EvalJob}
   * @param id its id
   * @param done keys of rows that are there
   */
  FidelityTask(Broadcast<byte[]> job, UUID id, Broadcast<Set<String>> done, Asked asked) {
    this.job = job;
    this.id = id;
    this.done = done;
    this.asked = asked;
  }

  @Override
  public Iterator<byte[]> call(Iterator<byte[]> documents) throws Exception {
    EvalJob all = EvalJob.of(job, id);
    FidelityScoring scoring = new FidelityScoring(all, asked);
    UnitResult result = UnitResult.none();
    while (documents.hasNext()) {
      TokenizedDocument document = JavaBytes.read(documents.next(), TokenizedDocument.class);
      List<EvalMode> missing =
          all.modes().stream()
              .filter(
                  mode ->
                      !done.value()
                          .contains(
                              FidelityRow.key(
                                  document.docId(), document.contentSha256(), mode.name())))
              .toList();
      if (!missing.isEmpty()) {
        scoring.score(document, missing, result);
      }
    }
    return List.of(JavaBytes.of(result)).iterator();
  }
}
