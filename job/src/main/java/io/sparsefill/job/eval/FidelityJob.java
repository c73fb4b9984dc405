package io.sparsefill.job.eval;

import io.sparsefill.job.Document;
import io.sparsefill.job.DocumentStatus;
import io.sparsefill.job.Documents;
import io.sparsefill.job.JavaBytes;
import io.sparsefill.job.Tokenizing;
import io.sparsefill.job.TokenizingOptions;
import io.sparsefill.job.run.CheckedModel;
import io.sparsefill.job.run.PrefillTasks;
import io.sparsefill.job.run.UsageException;
import java.io.IOException;
import java.util.Set;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.storage.StorageLevel;

/** The user's documents, read and tokenised as {@code run} does, in partitions of about one. */
final class FidelityJob implements AutoCloseable {
  /** More would cost the driver more than they balance. */
  private static final long MOST_PARTITIONS = 4_096;

  private final JavaRDD<byte[]> documents;
  private final int partitions;

  private FidelityJob(JavaRDD<byte[]> documents, int partitions) {
    this.documents = documents;
    this.partitions = partitions;
  }

  /**
   * Reads and tokenises.
   *
   * @throws UsageException if the input cannot be read, or holds nothing
   */
  static FidelityJob read(SparkSession spark, EvalOptions.Fidelity fidelity, CheckedModel model) {
    JavaRDD<Document> found;
    try {
      found = Documents.read(spark, fidelity.input());
    } catch (IOException | IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
    int given = fidelity.tokens().maxTokens();
    TokenizingOptions options =
        new TokenizingOptions(
            model.folder().toString(),
            fidelity.tokens().bos(),
            given == 0 ? model.config().maxPositions() : given,
            fidelity.tokens().onTooLong(),
            model.config().vocab());
    JavaRDD<byte[]> documents =
        Tokenizing.tokenize(found, options, (docId, sha) -> false)
            .filter(document -> document.status() != DocumentStatus.SKIPPED)
            .map(JavaBytes::of)
            .persist(StorageLevel.MEMORY_AND_DISK());
    spark.sparkContext().setJobDescription("reading and tokenising " + fidelity.input().input());
    long count;
    try {
      count = documents.count();
    } finally {
      spark.sparkContext().setJobDescription(null);
    }
    if (count == 0) {
      documents.unpersist();
      throw new UsageException(
          "Cannot compare modes: %s holds no document".formatted(fidelity.input().input()));
    }
    return new FidelityJob(documents, (int) Math.min(count, MOST_PARTITIONS));
  }

  /** The comparison of what is missing; one {@link UnitResult} in each partition. */
  JavaRDD<byte[]> comparison(
      Broadcast<byte[]> job,
      EvalJob all,
      FidelityTask.Asked asked,
      Set<String> done,
      PrefillTasks tasks) {
    JavaSparkContext context = JavaSparkContext.fromSparkContext(documents.context());
    FidelityTask task = new FidelityTask(job, all.id(), context.broadcast(done), asked);
    return tasks.on(documents.repartition(partitions).mapPartitions(task));
  }

  @Override
  public void close() {
    documents.unpersist();
  }
}
