package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.apache.spark.SparkConf;
import org.apache.spark.resource.ResourceProfile;
import org.junit.jupiter.api.Test;

/** What a pre-fill takes, by configuration; oracle: the number of GPUs and cores, by hand. */
class PrefillTasksTest {
  private static final int CORES = 16;
  private static final int EXECUTORS = 3;

  @Test
  void withoutGpusTasksAreThoseOfTheConfiguration() {
    PrefillTasks tasks = tasks("spark.task.cpus", 4);
    assertThat(tasks).isEqualTo(new PrefillTasks(4, 12, 12, 0, null));
  }

  @Test
  void aGpuAndThreeQuartersOfItsExecutorsCores() {
    PrefillTasks tasks = tasks("spark.executor.resource.gpu.amount", 1);
    assertThat(tasks.threads()).isEqualTo(12);
    assertThat(tasks.slots()).isEqualTo(3);
    assertThat(tasks.reading()).isEqualTo(CORES * EXECUTORS);
    assertThat(tasks.beside()).isEqualTo(4 * EXECUTORS);
    profileHas(tasks.profile(), 12);
  }

  @Test
  void severalGpusShareTheCoresOfTheirExecutor() {
    PrefillTasks tasks = tasks("spark.executor.resource.gpu.amount", 2);
    assertThat(tasks.threads()).isEqualTo(6);
    assertThat(tasks.slots()).isEqualTo(6);
    assertThat(tasks.beside()).isEqualTo(2 * 6);
    profileHas(tasks.profile(), 6);
  }

  @Test
  void aReadingTaskOfSeveralCoresHasRoomForAllOfThem() {
    PrefillTasks tasks = tasks("spark.executor.resource.gpu.amount", 1, "spark.task.cpus", 2);
    assertThat(tasks.threads()).isEqualTo(12);
    assertThat(tasks.reading()).isEqualTo(8 * EXECUTORS);
    assertThat(tasks.beside()).isEqualTo(2 * EXECUTORS);
  }

  @Test
  void ofFewerThanFourCoresNoneIsLeft() {
    PrefillTasks tasks = tasks("spark.executor.resource.gpu.amount", 6);
    assertThat(tasks.threads()).isEqualTo(2);
    assertThat(tasks.beside()).isZero();
    profileHas(tasks.profile(), 2);
  }

  @Test
  void aShareOfAGpuIsForOtherStagesOnly() {
    PrefillTasks tasks =
        tasks("spark.executor.resource.gpu.amount", 1, "spark.task.resource.gpu.amount", 0.0625);
    assertThat(tasks.slots()).isEqualTo(3);
    profileHas(tasks.profile(), 12);
  }

  @Test
  void whereEveryTaskHasAGpuThereAreAsManyAsGpus() {
    PrefillTasks tasks =
        tasks("spark.executor.resource.gpu.amount", 1, "spark.task.resource.gpu.amount", 1);
    assertThat(tasks).isEqualTo(new PrefillTasks(1, 3, 3, 0, null));
  }

  @Test
  void tasksOfOneProcessTakeTurnsOnItsGpu() {
    assertThat(PrefillTasks.engines(4, true, "cuda")).isEqualTo(1);
    assertThat(PrefillTasks.engines(4, true, "cpu")).isEqualTo(4);
    assertThat(PrefillTasks.engines(4, false, "cuda")).isEqualTo(4);
  }

  @Test
  void dynamicAllocationNeedsAGpuForEveryTask() {
    assertThatThrownBy(
            () ->
                tasks(
                    "spark.executor.resource.gpu.amount",
                    1,
                    "spark.dynamicAllocation.enabled",
                    true))
        .isInstanceOf(UsageException.class)
        .hasMessageContaining("spark.dynamicAllocation.enabled=true")
        .hasMessageContaining("set spark.task.resource.gpu.amount=1");
    assertThat(
            tasks(
                    "spark.executor.resource.gpu.amount",
                    1,
                    "spark.task.resource.gpu.amount",
                    1,
                    "spark.dynamicAllocation.enabled",
                    true)
                .profile())
        .isNull();
  }

  @Test
  void gpusThatSparkDoesNotKnowOfAreRefused() {
    SparkConf conf = new SparkConf(false);
    assertThatThrownBy(() -> PrefillTasks.refuseWithoutGpus(conf))
        .isInstanceOf(UsageException.class)
        .hasMessageContaining("spark.executor.resource.gpu.amount is not set")
        .hasMessageContaining("--backend cpu");
    PrefillTasks.refuseWithoutGpus(conf.set("spark.executor.resource.gpu.amount", "1"));
  }

  private static void profileHas(ResourceProfile profile, int cpus) {
    assertThat(profile.taskResourcesJMap().get("cpus").amount()).isEqualTo(cpus);
    assertThat(profile.taskResourcesJMap().get("gpu").amount()).isEqualTo(1);
    assertThat(profile.executorResourcesJMap()).as("the executors that are there").isEmpty();
  }

  private static PrefillTasks tasks(Object... conf) {
    SparkConf all = new SparkConf(false).set("spark.executor.cores", Integer.toString(CORES));
    for (int i = 0; i < conf.length; i += 2) {
      all.set(conf[i].toString(), conf[i + 1].toString());
    }
    return PrefillTasks.of(all, CORES * EXECUTORS, EXECUTORS);
  }
}
