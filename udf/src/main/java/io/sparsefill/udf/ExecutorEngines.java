package io.sparsefill.udf;

import io.sparsefill.kernels.OutOfDeviceMemory;
import io.sparsefill.kernels.cuda.CudaBackend;
import io.sparsefill.kernels.cuda.CudaDevice;
import io.sparsefill.udf.model.ModelConfig;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Predicate;
import java.util.function.ToIntFunction;
import org.apache.spark.SparkEnv;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The engines of an executor, which outlive its tasks: made when the first task asks, shared by
 * those that come, and kept for {@value #KEPT_SECONDS} seconds after the last one, so that the next
 * wave or query finds the model loaded. A task with other options ends what nobody uses on its
 * device, because both seldom fit.
 *
 * <p>A GPU pre-fills the documents of all tasks one after the other, while the other tasks read,
 * tokenise and write: by one engine for all of the same options, and where those differ, by the
 * engines in turns ({@link DeviceTurns}). The end of the process frees what is still open.
 */
public final class ExecutorEngines implements AutoCloseable {
  /** How long engines stay that nobody uses. */
  static final int KEPT_SECONDS = 120;

  private static final Logger LOG = LoggerFactory.getLogger(ExecutorEngines.class);

  private static final ExecutorEngines OF_THIS_JVM =
      new ExecutorEngines(
          Engine::open,
          BackendKind::documentsAtOnce,
          CompletableFuture.delayedExecutor(KEPT_SECONDS, TimeUnit.SECONDS),
          ExecutorEngines::advice);

  /** What else to change when a device has too little memory. */
  @FunctionalInterface
  interface Advice {
    /**
     * For engines of a kind, and a document.
     *
     * @param tokens of the document
     * @param room tokens that may follow on its cache; 0 if that is not kept
     */
    Optional<String> of(KeptEngines.Key key, int tokens, int room);
  }

  private final KeptEngines.Opener opener;
  private final ToIntFunction<BackendKind> atOnce;
  private final Executor afterIdle;
  private final Advice advice;
  private final Map<KeptEngines.Key, KeptEngines> kept = new HashMap<>();
  private final Map<KeptEngines.Device, DeviceTurns> turns = new HashMap<>();
  private final EngineFigures.Tally tally = new EngineFigures.Tally();
  private final AtomicReference<DeviceLost> lost = new AtomicReference<>();

  /**
   * Engines of their own, for tests.
   *
   * @param atOnce how many documents a device pre-fills at a time
   * @param afterIdle runs what it is given when engines that nobody uses have been kept long enough
   * @param advice what else to change when a device has too little memory
   */
  ExecutorEngines(
      KeptEngines.Opener opener,
      ToIntFunction<BackendKind> atOnce,
      Executor afterIdle,
      Advice advice) {
    this.opener = opener;
    this.atOnce = atOnce;
    this.afterIdle = afterIdle;
    this.advice = advice;
  }

  /** What the RAPIDS Accelerator's pool leaves of a GPU is seldom what a model needs. */
  private static Optional<String> advice(KeptEngines.Key key, int tokens, int room) {
    if (key.kind() != BackendKind.CUDA || SparkEnv.get() == null) {
      return Optional.empty();
    }
    return RapidsPool.advice(
        SparkEnv.get().conf(),
        CudaDevice.at(key.ordinal()).totalBytes(),
        Engine.memoryPlan(key.options(), tokens, room).total());
  }

  /** Those of this JVM. */
  public static ExecutorEngines ofThisJvm() {
    return OF_THIS_JVM;
  }

  /**
   * Takes a share in an engine, on the GPU of the calling thread's task if it is one; loads the
   * model if it is not there. Tasks that want the same meanwhile wait.
   *
   * @throws IllegalArgumentException if the options, the checkpoint or the pattern file are wrong,
   *     saying how; the next call tries anew
   * @throws DeviceLost if this process can no longer use its GPU
   */
  public EngineLease lease(EngineOptions options) throws InterruptedException {
    refuseIfLost();
    ModelConfig config = ModelConfig.read(Path.of(options.model()));
    BackendKind kind = BackendKind.choose(options.backend(), config);
    int ordinal = kind == BackendKind.CUDA ? TaskGpu.ordinal() : 0;
    KeptEngines.Key key = new KeptEngines.Key(options, kind, ordinal);
    KeptEngines engines = claim(key);
    boolean complete = false;
    try {
      engines.openFirst();
      // These have lent their weights to the engine that has just opened, or have lain beside it.
      closeUnused(other -> other.isOnDeviceOf(key));
      complete = true;
      return new EngineLease(this, engines);
    } catch (OutOfDeviceMemory e) {
      throw explained(e, key, 1, 0);
    } catch (RuntimeException | Error e) {
      failIfLost(e);
      throw e;
    } finally {
      if (!complete) {
        end(engines);
      }
    }
  }

  /** A failure for want of memory, with what else to change. */
  OutOfDeviceMemory explained(
      OutOfDeviceMemory failure, KeptEngines.Key key, int tokens, int room) {
    return advice
        .of(key, tokens, room)
        .map(more -> new OutOfDeviceMemory(failure.getMessage() + "; " + more))
        .orElse(failure);
  }

  private synchronized KeptEngines claim(KeptEngines.Key key) {
    closeUnused(other -> other.isOnDeviceOf(key) && !other.sharesWeightsWith(key));
    KeptEngines engines =
        kept.computeIfAbsent(key, absent -> new KeptEngines(absent, opener, turns(absent)));
    engines.leases++;
    engines.uses++;
    return engines;
  }

  private DeviceTurns turns(KeptEngines.Key key) {
    return turns.computeIfAbsent(
        key.device(), absent -> new DeviceTurns(atOnce.applyAsInt(absent.kind())));
  }

  /** Ends a lease. */
  synchronized void end(KeptEngines engines) {
    engines.leases--;
    if (engines.leases > 0) {
      return;
    }
    if (!engines.isOpen()) {
      kept.remove(engines.key());
      return;
    }
    long use = engines.uses;
    afterIdle.execute(() -> closeAfter(engines, use));
  }

  private synchronized void closeAfter(KeptEngines engines, long use) {
    if (engines.uses != use || kept.get(engines.key()) != engines) {
      return;
    }
    try {
      closeUnused(engines.key()::equals);
    } catch (RuntimeException e) {
      LOG.error("Cannot close an engine that nobody has used for a while", e);
    }
  }

  private synchronized void closeUnused(Predicate<KeptEngines.Key> which) {
    for (KeptEngines engines : List.copyOf(kept.values())) {
      if (engines.leases == 0 && which.test(engines.key())) {
        kept.remove(engines.key());
        if (lost.get() == null) { // else no call to the device would come back
          LOG.info("Closing the engine of model {}", engines.key().options().model());
          engines.close();
        }
      }
    }
  }

  /** How many engines of different options there are. */
  synchronized int kept() {
    return kept.size();
  }

  EngineFigures.Tally tally() {
    return tally;
  }

  /** What was done so far. */
  public EngineFigures figures() {
    return tally.figures();
  }

  /** Bytes in use on the GPUs of these engines, by whomever; 0 when there are none. */
  public long deviceBytes() {
    int[] ordinals;
    synchronized (this) {
      ordinals =
          kept.values().stream()
              .filter(engines -> engines.key().kind() == BackendKind.CUDA && engines.isOpen())
              .mapToInt(engines -> engines.key().ordinal())
              .distinct()
              .toArray();
    }
    long bytes = 0;
    for (int ordinal : lost.get() == null ? ordinals : new int[0]) {
      bytes += CudaBackend.usedBytes(ordinal);
    }
    return bytes;
  }

  /** Why this process can no longer use its GPU; empty while it can. */
  public Optional<DeviceLost> lost() {
    return Optional.ofNullable(lost.get());
  }

  /**
   * Throws if this process can no longer use its GPU.
   *
   * @throws DeviceLost saying since when
   */
  void refuseIfLost() {
    DeviceLost earlier = lost.get();
    if (earlier != null) {
      throw earlier.again();
    }
  }

  /**
   * Throws if a failure means that this process can no longer use its GPU; every later document is
   * refused then.
   */
  void failIfLost(Throwable failure) {
    if (failure instanceof DeviceLost) {
      return;
    }
    Optional<DeviceLost> loss = DeviceLost.of(failure);
    if (loss.isPresent()) {
      lost.compareAndSet(null, loss.get());
      throw loss.get();
    }
  }

  /** Closes what nobody uses, without waiting until it has been kept long enough. */
  @Override
  public void close() {
    closeUnused(key -> true);
  }
}
