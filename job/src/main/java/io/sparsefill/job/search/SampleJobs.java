package io.sparsefill.job.search;

import io.sparsefill.job.JavaBytes;
import io.sparsefill.job.run.PrefillTasks;
import io.sparsefill.udf.search.HeadScore;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.List;
import java.util.Locale;
import java.util.UUID;
import java.util.concurrent.CompletionService;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Samples as Spark jobs of one task each, as many at once as there are slots: so what a sample has
 * given is on the driver as soon as it is there, whatever the others do.
 */
final class SampleJobs {
  private static final Logger log = LoggerFactory.getLogger(SampleJobs.class);

  private final JavaSparkContext context;
  private final PrefillTasks tasks;

  SampleJobs(SparkSession spark) {
    this.context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    this.tasks = PrefillTasks.of(spark);
  }

  /** Takes scores, on the caller's thread. */
  interface Sink {
    /** Takes those of one sample. */
    void take(Calibration.Sample sample, List<HeadScore> scores) throws IOException;
  }

  private record Scored(Calibration.Sample sample, List<HeadScore> scores, double seconds) {}

  /**
   * Scores samples.
   *
   * @param sink takes each sample's scores when they are there; an error of it ends the others
   * @throws IOException what the sink threw
   * @throws IllegalStateException if a sample could not be scored
   */
  void run(List<Calibration.Sample> samples, SampleTask task, Sink sink) throws IOException {
    if (samples.isEmpty()) {
      return;
    }
    String group = "sparsefill search " + UUID.randomUUID();
    ExecutorService pool = Executors.newFixedThreadPool(Math.min(tasks.slots(), samples.size()));
    boolean complete = false;
    try {
      CompletionService<Scored> jobs = new ExecutorCompletionService<>(pool);
      for (Calibration.Sample sample : samples) {
        jobs.submit(() -> score(sample, task, group));
      }
      for (int done = 1; done <= samples.size(); done++) {
        Scored scored = jobs.take().get();
        sink.take(scored.sample(), scored.scores());
        log.info(
            "{}",
            String.format(
                Locale.ROOT,
                "Sample %d of %d: '%s', %,d tokens, scored in %.1f s",
                done,
                samples.size(),
                scored.sample().docId(),
                scored.sample().tokens().length,
                scored.seconds()));
      }
      complete = true;
    } catch (ExecutionException e) {
      throw new IllegalStateException(
          "Cannot score the samples: " + e.getCause().getMessage(), e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      InterruptedIOException interrupted = new InterruptedIOException("the search was interrupted");
      interrupted.initCause(e);
      throw interrupted;
    } finally {
      pool.shutdownNow();
      if (!complete) { // a thread of the pool may be about to submit its job
        context.sc().cancelJobGroupAndFutureJobs(group);
      }
    }
  }

  private Scored score(Calibration.Sample sample, SampleTask task, String group) {
    long started = System.nanoTime();
    context.setJobGroup(
        group,
        String.format(
            Locale.ROOT, "trying patterns on '%s', %,d tokens", sample.docId(), sample.length()),
        true);
    JavaRDD<byte[]> one = context.parallelize(List.of(JavaBytes.of(sample)), 1);
    byte[] scores = tasks.on(one.map(task)).collect().get(0);
    return new Scored(sample, SampleTask.scores(scores), (System.nanoTime() - started) / 1e9);
  }
}
