package io.sparsefill.udf.sql;

import io.sparsefill.udf.Emit;
import io.sparsefill.udf.Engine;
import io.sparsefill.udf.PrefillResult;
import io.sparsefill.udf.model.ModelConfig;
import io.sparsefill.udf.text.TextTokenizer;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.apache.spark.TaskContext;
import org.apache.spark.util.TaskCompletionListener;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The tokenizer and the engines that this JVM holds open for one model. They are opened when they
 * are needed first and shared by all tasks, of which one at a time pre-fills. A task's claim on
 * them lasts until the task ends, a claim of the driver until it is closed. Without claims they
 * stay open for the next task, and are closed a minute later, or as soon as another model is asked
 * for.
 */
final class SqlEngine implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(SqlEngine.class);

  private static final long IDLE_SECONDS = 60;

  private static final Map<SqlSettings.Model, Open> OPEN = new HashMap<>();

  private static final ScheduledThreadPoolExecutor CLOSER =
      new ScheduledThreadPoolExecutor(
          1,
          work -> {
            Thread thread = new Thread(work, "sparsefill-close-idle-engines");
            thread.setDaemon(true);
            return thread;
          });

  static {
    CLOSER.setRemoveOnCancelPolicy(true);
  }

  /** First come, first served; one document has the device, or all cores, to itself. */
  private static final ReentrantLock PREFILL = new ReentrantLock(true);

  private final Open open;

  /** What is to be given back, null when the task's end does that. */
  private Claim own;

  private SqlEngine(Open open, Claim own) {
    this.open = open;
    this.own = own;
  }

  /** Identifies a claim: a task's by its attempt, any other by itself. */
  private record Claim(long attempt, Object other) {}

  /** What is open for a model; fields are guarded by {@link #OPEN}, engines by {@link #PREFILL}. */
  private static final class Open {
    final SqlSettings.Model model;
    final TextTokenizer tokenizer;
    final ModelConfig config;
    final Map<Emit, Engine> engines = new EnumMap<>(Emit.class);
    final Set<Claim> claims = new HashSet<>();
    ScheduledFuture<?> closing;

    Open(SqlSettings.Model model) {
      this.model = model;
      Path folder = Path.of(model.folder());
      config = ModelConfig.read(folder);
      tokenizer = TextTokenizer.open(folder, model.bos());
    }

    /** Nobody has a claim, so nobody pre-fills. */
    void close() {
      if (closing != null) {
        closing.cancel(false);
      }
      engines.values().forEach(Engine::close);
      tokenizer.close();
    }
  }

  /**
   * Claims a model.
   *
   * @throws IllegalArgumentException if its folder or a setting is wrong, saying how
   */
  static SqlEngine acquire(SqlSettings.Model model) {
    synchronized (OPEN) {
      Open open = OPEN.get(model);
      if (open == null) {
        closeUnclaimed(); // Two models may not fit.
        open = new Open(model);
        OPEN.put(model, open);
      }
      if (open.closing != null) {
        open.closing.cancel(false);
        open.closing = null;
      }
      TaskContext task = TaskContext.get();
      return task == null ? claimed(open) : claimed(open, task);
    }
  }

  private static SqlEngine claimed(Open open) {
    Claim claim = new Claim(-1, new Object());
    open.claims.add(claim);
    return new SqlEngine(open, claim);
  }

  private static SqlEngine claimed(Open open, TaskContext task) {
    Claim claim = new Claim(task.taskAttemptId(), null);
    if (open.claims.add(claim)) {
      task.addTaskCompletionListener((TaskCompletionListener) ended -> giveBack(open, claim));
    }
    return new SqlEngine(open, null);
  }

  private static void giveBack(Open open, Claim claim) {
    synchronized (OPEN) {
      open.claims.remove(claim);
      if (open.claims.isEmpty()) {
        open.closing = CLOSER.schedule(() -> closeIdle(open), IDLE_SECONDS, TimeUnit.SECONDS);
      }
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
   * Pre-fills one document, after those that came before.
   *
   * @throws InterruptedException if the task is killed while it waits
   * @throws Exception what went wrong with this document or with opening the engine
   */
  PrefillResult prefill(Emit emit, int[] tokens) throws Exception {
    PREFILL.lockInterruptibly();
    try {
      Engine engine = open.engines.get(emit);
      if (engine == null) {
        engine = Engine.open(open.model.engine(emit));
        open.engines.put(emit, engine);
      }
      return engine.prefill(tokens, null);
    } finally {
      PREFILL.unlock();
    }
  }

  /** Gives a claim back that is not a task's. */
  @Override
  public void close() {
    if (own != null) {
      giveBack(open, own);
      own = null;
    }
  }

  private static void closeIdle(Open open) {
    synchronized (OPEN) {
      if (open.claims.isEmpty() && OPEN.remove(open.model, open)) {
        try {
          open.close();
          LOG.info("Closed model {}, unused for {} s", open.model.folder(), IDLE_SECONDS);
        } catch (RuntimeException e) { // No caller is there to get it.
          LOG.error("Cannot close model {}, unused for {} s", open.model.folder(), IDLE_SECONDS, e);
        }
      }
    }
  }

  /** Closes at once what nobody has a claim on. */
  static void closeUnclaimed() {
    synchronized (OPEN) {
      OPEN.values()
          .removeIf(
              open -> {
                if (open.claims.isEmpty()) {
                  open.close();
                }
                return open.claims.isEmpty();
              });
    }
  }

  /** How many models this JVM holds open for the functions. */
  static int held() {
    synchronized (OPEN) {
      return OPEN.size();
    }
  }
}
