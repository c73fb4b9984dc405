package io.sparsefill.udf.sql;

import io.sparsefill.udf.Emit;
import io.sparsefill.udf.EngineLease;
import io.sparsefill.udf.ExecutorEngines;
import io.sparsefill.udf.PrefillResult;
import io.sparsefill.udf.model.ModelConfig;
import io.sparsefill.udf.text.SharedTokenizer;
import io.sparsefill.udf.text.TextTokenizer;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.TaskContext;
import org.apache.spark.util.TaskCompletionListener;

/**
 * One task's claim on a model: on the executor's engines ({@link ExecutorEngines}), as functions
 * need them, and on the tokenizer that all tasks share. It lasts until the task ends; outside of a
 * task, until it is closed.
 */
final class SqlEngine implements AutoCloseable {
  private static final Map<Owner, SqlEngine> OF_TASKS = new ConcurrentHashMap<>();

  private final SqlSettings.Model model;
  private final ModelConfig config;
  private final SharedTokenizer tokenizer;
  private final boolean ofTask;
  private final Map<Emit, EngineLease> leases = new EnumMap<>(Emit.class); // guarded by itself

  private SqlEngine(SqlSettings.Model model, boolean ofTask) {
    this.model = model;
    this.config = ModelConfig.read(Path.of(model.folder()));
    this.tokenizer = SharedTokenizer.acquire(model.folder(), model.bos());
    this.ofTask = ofTask;
  }

  /** A task may ask for several models. */
  private record Owner(long attempt, SqlSettings.Model model) {}

  /**
   * Claims a model, for the calling thread's task if there is one.
   *
   * @throws IllegalArgumentException if its folder or a setting is wrong, saying how
   */
  static SqlEngine acquire(SqlSettings.Model model) {
    TaskContext task = TaskContext.get();
    if (task == null) {
      return new SqlEngine(model, false);
    }
    return OF_TASKS.computeIfAbsent(
        new Owner(task.taskAttemptId(), model), absent -> ofTask(task, absent));
  }

  private static SqlEngine ofTask(TaskContext task, Owner owner) {
    SqlEngine made = new SqlEngine(owner.model(), true);
    task.addTaskCompletionListener(
        (TaskCompletionListener)
            ended -> {
              OF_TASKS.remove(owner);
              made.giveBack();
            });
    return made;
  }

  /** The model's configuration. */
  ModelConfig config() {
    return config;
  }

  /** The model's tokenizer. */
  TextTokenizer tokenizer() {
    return tokenizer.tokenizer();
  }

  /**
   * Pre-fills one document, in its turn.
   *
   * @throws InterruptedException if the task is killed while it waits
   * @throws Exception what went wrong with this document or with opening the engine
   */
  PrefillResult prefill(Emit emit, int[] tokens) throws Exception {
    EngineLease lease;
    synchronized (leases) {
      lease = leases.get(emit);
      if (lease == null) {
        lease = ExecutorEngines.ofThisJvm().lease(model.engine(emit));
        leases.put(emit, lease);
      }
    }
    return lease.prefill(tokens, null);
  }

  /** Ends a claim that is no task's. */
  @Override
  public void close() {
    if (!ofTask) {
      giveBack();
    }
  }

  private void giveBack() {
    synchronized (leases) {
      leases.values().forEach(EngineLease::close);
      leases.clear();
    }
    tokenizer.close();
  }
}
