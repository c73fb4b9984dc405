package io.sparsefill.job.run;

import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerJobStart;
import org.apache.spark.scheduler.SparkListenerStageSubmitted;
import org.apache.spark.scheduler.SparkListenerTaskStart;
import org.apache.spark.scheduler.StageInfo;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Tells when the tasks of a wave have got their slots, from Spark's events. Where Spark drops an
 * event the answer never comes, so whoever waits also waits for the wave's end.
 */
final class WaveStarts extends SparkListener {
  /** Local property of a wave's job: its number. */
  static final String PROPERTY = "sparsefill.wave";

  private final Map<Integer, Start> byWave = new HashMap<>();
  private final Map<Integer, Start> byStage = new HashMap<>();

  /**
   * How far a wave has come.
   *
   * @param laidOut its documents lie in bins, and the bins wait for slots
   * @param begun every bin has, or had, a slot
   */
  record Start(CompletableFuture<Void> laidOut, CompletableFuture<Void> begun, BitSet waiting) {
    Start() {
      this(new CompletableFuture<>(), new CompletableFuture<>(), new BitSet());
    }
  }

  /** Of a wave whose job is about to be submitted. */
  synchronized Start expect(int wave) {
    Start start = new Start();
    byWave.put(wave, start);
    return start;
  }

  @Override
  public synchronized void onJobStart(SparkListenerJobStart job) {
    String wave = job.properties() == null ? null : job.properties().getProperty(PROPERTY);
    Start start = wave == null ? null : byWave.remove(Integer.valueOf(wave));
    if (start == null) {
      return;
    }
    // The stage that pre-fills is the job's last; those before it lay out.
    StageInfo last = null;
    for (StageInfo stage : CollectionConverters.asJava(job.stageInfos())) {
      last = last == null || stage.stageId() > last.stageId() ? stage : last;
    }
    start.waiting().set(0, last.numTasks());
    byStage.put(last.stageId(), start);
  }

  @Override
  public synchronized void onStageSubmitted(SparkListenerStageSubmitted submitted) {
    Start start = byStage.get(submitted.stageInfo().stageId());
    if (start != null) {
      start.laidOut().complete(null);
    }
  }

  @Override
  public synchronized void onTaskStart(SparkListenerTaskStart task) {
    Start start = byStage.get(task.stageId());
    if (start == null) {
      return;
    }
    start.waiting().clear(task.taskInfo().index());
    if (start.waiting().isEmpty()) {
      byStage.remove(task.stageId());
      start.begun().complete(null);
    }
  }
}
