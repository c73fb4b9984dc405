package io.sparsefill.udf.sql;

import io.sparsefill.udf.Emit;
import io.sparsefill.udf.EngineLease;
import io.sparsefill.udf.ExecutorEngines;
import io.sparsefill.udf.PrefillResult;
import io.sparsefill.udf.model.ModelConfig;
import io.sparsefill.udf.text.TextTokenizer;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.apache.spark.TaskContext;
import org.apache.spark.util.TaskCompletionListener;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One task's claim on a model: on the executor's engines ({@link ExecutorEngines}), as functions
 * need them, and on the tokenizer that all tasks share. It lasts until the task ends; outside of a
 * task, until it is closed. A tokenizer without claims stays open for the next task, and is closed
 * a minute later, or as soon as another model is asked for.
 */
final class SqlEngine implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(SqlEngine.class);

  private static final long IDLE_SECONDS = 60;

  private static final Map<SqlSettings.Model, Open> OPEN = new HashMap<>();

  private static final Executor AFTER_IDLE =
      CompletableFuture.delayedExecutor(IDLE_SECONDS, TimeUnit.SECONDS);

  private final Open open;

  /** Whose claim it is: a task's attempt, or a thing of its own. */
  private final Object owner;

  private final Map<Emit, EngineLease> leases = new EnumMap<>(Emit.class); // guarded by itself

  private SqlEngine(Open open, Object owner) {
    this.open = open;
    this.owner = owner;
  }

  /** What is open for a model; claims and uses are guarded by {@link #OPEN}. */
  private static final class Open {
    final SqlSettings.Model model;
    final ModelConfig config;
    final TextTokenizer tokenizer;
    final Map<Object, SqlEngine> claims = new HashMap<>();

    /** Changes with each claim, so that an old wish to close finds that it is one. */
    long uses;

    Open(SqlSettings.Model model) {
      this.model = model;
      Path folder = Path.of(model.folder());
      config = ModelConfig.read(folder);
      tokenizer = TextTokenizer.open(folder, model.bos());
    }
  }

  /**
   * Claims a model, for the calling thread's task if there is one.
   *
   * @throws IllegalArgumentException if its folder or a setting is wrong, saying how
   */
  static SqlEngine acquire(SqlSettings.Model model) {
    synchronized (OPEN) {
      Open open = OPEN.get(model);
      if (open == null) {
        closeUnclaimed();
        open = new Open(model);
        OPEN.put(model, open);
      }
      open.uses++;
      TaskContext task = TaskContext.get();
      Object owner = task == null ? new Object() : (Object) task.taskAttemptId();
      SqlEngine claim = open.claims.get(owner);
      if (claim == null) {
        claim = new SqlEngine(open, owner);
        open.claims.put(owner, claim);
        if (task != null) {
          SqlEngine mine = claim;
          task.addTaskCompletionListener((TaskCompletionListener) ended -> mine.giveBack());
        }
      }
      return claim;
    }
  }

  /** The model's configuration. */
  ModelConfig config() {
    return open.config;
  }

  /** The model's tokenizer. */
  TextTokenizer tokenizer() {
    return open.tokenizer;
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
        lease = ExecutorEngines.ofThisJvm().lease(open.model.engine(emit));
        leases.put(emit, lease);
      }
    }
    return lease.prefill(tokens, null);
  }

  /** Ends a claim that is no task's. */
  @Override
  public void close() {
    if (!(owner instanceof Long)) {
      giveBack();
    }
  }

  private void giveBack() {
    synchronized (leases) {
      leases.values().forEach(EngineLease::close);
      leases.clear();
    }
    synchronized (OPEN) {
      open.claims.remove(owner);
      if (open.claims.isEmpty()) {
        long use = open.uses;
        AFTER_IDLE.execute(() -> closeIdle(open, use));
      }
    }
  }

  private static void closeIdle(Open open, long use) {
    synchronized (OPEN) {
      if (open.uses == use && OPEN.remove(open.model, open)) {
        try {
          open.tokenizer.close();
        } catch (RuntimeException e) { // No caller is there to get it.
          LOG.error("Cannot close the tokenizer of {}", open.model.folder(), e);
        }
      }
    }
  }

  /** Closes at once what nobody has a claim on; engines are the executor's. */
  static void closeUnclaimed() {
    synchronized (OPEN) {
      OPEN.values()
          .removeIf(
              open -> {
                if (open.claims.isEmpty()) {
                  open.tokenizer.close();
                }
                return open.claims.isEmpty();
              });
    }
  }

  /** How many models are open for the functions. */
  static int held() {
    synchronized (OPEN) {
      return OPEN.size();
    }
  }
}
