package io.sparsefill.job.run;

import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.resource.ResourceProfile;
import org.apache.spark.resource.ResourceProfileBuilder;
import org.apache.spark.resource.TaskResourceRequests;
import org.apache.spark.sql.SparkSession;

/**
 * What a task that pre-fills takes of a cluster. Where executors have GPUs and tasks do not ask for
 * them by configuration, such a task alone asks for a whole GPU and that GPU's share of its
 * executor's cores, so that reading and tokenising run one task per core on the same executors. It
 * leaves a quarter of them, on which later documents are read and tokenised meanwhile.
 *
 * @param threads cores of one task
 * @param slots how many run at once, at least 1
 * @param reading how many tasks of reading and tokenising run at once while none pre-fills
 * @param beside how many of those have room beside pre-fills; 0 where a pre-fill takes all of its
 *     slot, so that reading first is as good
 * @param profile what its stage asks for, or null when that is what the configuration says
 */
public record PrefillTasks(
    int threads, int slots, int reading, int beside, ResourceProfile profile) {
  private static final String GPU = "gpu";
  private static final String EXECUTOR_GPUS = "spark.executor.resource.gpu.amount";

  /** One of so many cores reads while the others pre-fill. */
  private static final int READING_SHARE = 4;

  private static final String TASK_GPUS = "spark.task.resource.gpu.amount";

  /**
   * On the executors that a session has now.
   *
   * @throws UsageException if Spark could not give each task a GPU of its own
   */
  public static PrefillTasks of(SparkSession spark) {
    SparkContext context = spark.sparkContext();
    // The driver is one of them, except in local mode, which has no GPUs to schedule.
    int executors = context.statusTracker().getExecutorInfos().length - 1;
    return of(context.getConf(), context.defaultParallelism(), Math.max(1, executors));
  }

  /**
   * As a configuration says.
   *
   * @param parallelism cores of all executors
   * @param executors their number
   */
  static PrefillTasks of(SparkConf conf, int parallelism, int executors) {
    int cpus = conf.getInt("spark.task.cpus", 1);
    int bySlots = Math.max(1, parallelism / cpus);
    int gpus = conf.getInt(EXECUTOR_GPUS, 0);
    if (gpus == 0) {
      return new PrefillTasks(cpus, bySlots, bySlots, 0, null);
    }
    double asked = conf.getDouble(TASK_GPUS, 0);
    if (asked >= 1) {
      int slots = Math.max(1, Math.min(executors * (int) (gpus / asked), bySlots));
      return new PrefillTasks(cpus, slots, slots, 0, null);
    }
    if (conf.getBoolean("spark.dynamicAllocation.enabled", false)) {
      throw new UsageException(
          "Cannot give each pre-fill a GPU: with spark.dynamicAllocation.enabled=true a stage of its"
              + " own resources gets other executors while those of the first hold the GPUs; set "
              + TASK_GPUS
              + "=1, or turn dynamic allocation off");
    }
    int cores = conf.getInt("spark.executor.cores", cpus);
    int share = cores / gpus;
    int readers = share / (READING_SHARE * cpus);
    int threads = Math.max(cpus, share - readers * cpus);
    ResourceProfile profile =
        new ResourceProfileBuilder()
            .require(new TaskResourceRequests().cpus(threads).resource(GPU, 1))
            .build();
    int slots = executors * gpus;
    return new PrefillTasks(threads, slots, bySlots, readers * slots, profile);
  }

  /**
   * How many documents so many tasks pre-fill at once: one where all are in the driver's process,
   * whose one GPU they take in turns, because Spark shares out none there; else each its own.
   *
   * @param local whether all are in one process
   * @param backend that computes
   */
  static int engines(int slots, boolean local, String backend) {
    return local && backend.equals("cuda") ? 1 : slots;
  }

  /**
   * Ends a run on GPUs that Spark would not share out.
   *
   * @throws UsageException if executors have none by configuration
   */
  static void refuseWithoutGpus(SparkConf conf) {
    if (conf.getInt(EXECUTOR_GPUS, 0) == 0) {
      throw new UsageException(
          "Cannot use GPUs of this cluster: "
              + EXECUTOR_GPUS
              + " is not set, so Spark would put executors on machines without one and several tasks"
              + " on one; set it to 1 as the files conf/spark-defaults-*.conf do (workers must offer"
              + " their GPUs then), or use --backend cpu");
    }
  }

  /**
   * The same data, whose tasks take what a pre-fill takes. Spark keeps a profile for good, so many
   * waves should share one of these.
   */
  public <T> JavaRDD<T> on(JavaRDD<T> data) {
    return profile == null ? data : data.withResources(profile);
  }
}
