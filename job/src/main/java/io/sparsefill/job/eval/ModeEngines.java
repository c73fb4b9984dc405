package io.sparsefill.job.eval;

import io.sparsefill.udf.EngineLease;
import io.sparsefill.udf.EngineOptions;
import io.sparsefill.udf.ExecutorEngines;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.apache.spark.TaskContext;
import org.apache.spark.resource.ResourceInformation;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A claim on this JVM's lease of a mode's engine. {@link ExecutorEngines} ends what has no lease
 * when an engine of other options is asked for; here a mode's lease stays open while the other
 * modes take their turns, until nobody has asked for it for {@value #KEPT_SECONDS} seconds. Weights
 * are shared, and an engine whose turn it is takes back the memory that idle ones hold.
 */
final class ModeEngines implements AutoCloseable {
  /** How long a lease stays that nobody uses; as long as an engine without a lease does. */
  static final int KEPT_SECONDS = 120;

  private static final Logger log = LoggerFactory.getLogger(ModeEngines.class);

  private static final Map<Key, Held> HELD = new HashMap<>();

  private static final Executor AFTER_IDLE =
      CompletableFuture.delayedExecutor(KEPT_SECONDS, TimeUnit.SECONDS);

  private final Held held;
  private boolean closed;

  private ModeEngines(Held held) {
    this.held = held;
  }

  /**
   * What tells leases apart.
   *
   * @param gpu that Spark gave to the task; empty where it shares out none
   */
  private record Key(EngineOptions options, String gpu) {}

  /** An open lease; all of it is guarded by {@link #HELD}. */
  private static final class Held {
    final Key key;
    final EngineLease lease;
    int claims;

    /** Changes with each claim, so that an old wish to close finds that it is one. */
    long uses;

    Held(Key key, EngineLease lease) {
      this.key = key;
      this.lease = lease;
    }
  }

  /**
   * Claims the lease of a mode's engine on the calling task's device; takes it if nobody has. Tasks
   * that come meanwhile wait.
   *
   * @throws InterruptedException if the thread is interrupted
   */
  static ModeEngines claim(EngineOptions options) throws InterruptedException {
    Key key = new Key(options, gpu());
    synchronized (HELD) {
      Held held = HELD.get(key);
      if (held == null) {
        held = new Held(key, ExecutorEngines.ofThisJvm().lease(options));
        HELD.put(key, held);
      }
      held.claims++;
      held.uses++;
      return new ModeEngines(held);
    }
  }

  private static String gpu() {
    TaskContext task = TaskContext.get();
    ResourceInformation gpu = task == null ? null : task.resourcesJMap().get("gpu");
    return gpu == null ? "" : String.join(",", gpu.addresses());
  }

  /** The lease, which may be used until this claim is closed. */
  EngineLease lease() {
    return held.lease;
  }

  /** Gives the claim back; closing twice is harmless. */
  @Override
  public void close() {
    synchronized (HELD) {
      if (closed) {
        return;
      }
      closed = true;
      held.claims--;
      if (held.claims == 0) {
        long use = held.uses;
        AFTER_IDLE.execute(() -> closeIdle(held, use));
      }
    }
  }

  private static void closeIdle(Held held, long use) {
    synchronized (HELD) {
      if (held.uses == use && HELD.remove(held.key, held)) {
        try {
          held.lease.close();
        } catch (RuntimeException e) { // No caller is there to get it.
          log.error("Cannot give back the engine of {}", held.key.options().attention(), e);
        }
      }
    }
  }

  /** Gives back at once what nobody has a claim on. */
  static void closeUnclaimed() {
    synchronized (HELD) {
      for (Held held : List.copyOf(HELD.values())) {
        if (held.claims == 0) {
          HELD.remove(held.key);
          held.lease.close();
        }
      }
    }
  }
}
