package io.sparsefill.job.output;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The right to write to an output folder: the file {@code _lock}, which names its owner and is
 * rewritten every ten seconds. A lock is taken over when its owner ran on this host and is gone; or
 * when its last sign of life is two minutes old and none comes while it is watched for half a
 * minute, since the owner's clock may be behind this one. Who names the lock's run ({@link
 * Claim#breakLock}) need not wait the two minutes, but watches as well: an owner that lives keeps
 * its lock in any case, so that no wave can be committed by two. An owner that lost its lock though
 * it lives (it was suspended, say) finds out before it commits.
 */
final class OutputLock implements AutoCloseable {
  static final Duration HEARTBEAT = Duration.ofSeconds(10);
  static final Duration STALE = Duration.ofMinutes(2);

  /** For so long a lock is watched that may be taken over: three beats. */
  static final Duration WATCH = HEARTBEAT.multipliedBy(3);

  private static final Duration LOOK = Duration.ofSeconds(2);
  private static final Logger LOG = LoggerFactory.getLogger(OutputLock.class);

  private final Storage storage;
  private final Clock clock;
  private final LockOwner owner;
  private final String takenFrom;
  private final ScheduledExecutorService heart;
  private final ScheduledFuture<?> beats;

  private OutputLock(Storage storage, Clock clock, LockOwner owner, String takenFrom) {
    this.storage = storage;
    this.clock = clock;
    this.owner = owner;
    this.takenFrom = takenFrom;
    this.heart =
        Executors.newSingleThreadScheduledExecutor(
            task -> {
              Thread thread = new Thread(task, "sparsefill-output-lock");
              thread.setDaemon(true);
              return thread;
            });
    long period = HEARTBEAT.toSeconds();
    this.beats = heart.scheduleAtFixedRate(this::beatOrWarn, period, period, TimeUnit.SECONDS);
  }

  /** Another run took the lock over, or someone removed it. */
  private static final class LockLost extends IOException {
    private static final long serialVersionUID = 1;

    LockLost(String message) {
      super(message);
    }
  }

  /** Waits while a lock is watched. */
  @FunctionalInterface
  interface Pause {
    void sleep(Duration time) throws InterruptedException;
  }

  /**
   * Takes the lock.
   *
   * @param breakLock see {@link Claim#breakLock}
   * @throws OutputRefused when another run holds it
   */
  static OutputLock take(
      Storage storage, LockOwner owner, String breakLock, Clock clock, Pause pause)
      throws IOException {
    String takenFrom = null;
    for (int attempt = 0; attempt < 3; attempt++) {
      if (storage.createText(FileNames.LOCK, owner.json())) {
        return new OutputLock(storage, clock, owner, takenFrom);
      }
      Optional<LockOwner> holder = holder(storage);
      if (holder.isPresent()) {
        Optional<String> reason = silence(storage, holder.get(), breakLock, clock, pause);
        if (reason.isPresent()) {
          takenFrom = holder.get().described() + ": " + reason.get();
          LOG.warn("Taking over the lock of {} from {}", storage.root(), takenFrom);
          moveAway(storage, holder.get(), owner);
        }
      }
    }
    throw new OutputRefused(
        "Cannot lock "
            + storage.root()
            + ": other runs take its _lock at the same moment; try again");
  }

  /** Whose lock this was before, and why it could be taken over; empty when it was free. */
  Optional<String> takenFrom() {
    return Optional.ofNullable(takenFrom);
  }

  /** Who holds the lock of a folder, if anyone. */
  static Optional<LockOwner> holder(Storage storage) throws IOException {
    Optional<String> text = storage.readText(FileNames.LOCK);
    Optional<Long> modified = storage.modified(FileNames.LOCK);
    if (text.isEmpty() || modified.isEmpty()) {
      return Optional.empty();
    }
    try {
      return Optional.of(LockOwner.parse(text.get()));
    } catch (JsonProcessingException e) { // caught while its owner writes it, or cut off by a crash
      LOG.warn("The _lock of {} is not whole: {}", storage.root(), e.getOriginalMessage());
      return Optional.of(LockOwner.unknown(Instant.ofEpochMilli(modified.get())));
    }
  }

  /** Who holds the lock of a folder and, as far as that can be seen from here, lives. */
  static Optional<LockOwner> living(Storage storage, Instant now) throws IOException {
    return holder(storage)
        .filter(owner -> !owner.dead() && owner.unseen(now).compareTo(STALE) <= 0);
  }

  /**
   * Makes sure, as far as that can be seen from here, that the owner is no more.
   *
   * @return what was seen; empty when the lock was given back meanwhile
   * @throws OutputRefused when it lives, or may live
   */
  private static Optional<String> silence(
      Storage storage, LockOwner holder, String breakLock, Clock clock, Pause pause)
      throws IOException {
    boolean named = holder.runId().equals(breakLock);
    if (holder.dead()) {
      return Optional.of("its process is gone");
    }
    if (!named && holder.unseen(clock.instant()).compareTo(STALE) <= 0) {
      if (breakLock != null) {
        throw new OutputRefused(
            "Cannot break the lock of run %s: %s is locked by %s; give its name if that is the one"
                .formatted(breakLock, storage.root(), holder.described()));
      }
      throw held(storage, holder, clock.instant());
    }
    LOG.info(
        "Watching the lock of {}, held by {}, for {} s",
        storage.root(),
        holder.described(),
        WATCH.toSeconds());
    for (Duration watched = Duration.ZERO;
        watched.compareTo(WATCH) < 0;
        watched = watched.plus(LOOK)) {
      try {
        pause.sleep(LOOK);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        InterruptedIOException interrupted = new InterruptedIOException("The run was interrupted");
        interrupted.initCause(e);
        throw interrupted;
      }
      Optional<LockOwner> now = holder(storage);
      if (now.isEmpty()) {
        return Optional.empty();
      }
      if (!now.get().equals(holder)) {
        throw held(storage, now.get(), clock.instant());
      }
    }
    return Optional.of(
        "no sign of life since %s, nor while it was watched for %d s%s"
            .formatted(
                holder.heartbeat(), WATCH.toSeconds(), named ? "; broken as asked for" : ""));
  }

  private static OutputRefused held(Storage storage, LockOwner holder, Instant now) {
    return new OutputRefused(
        "Cannot write to %s: %s writes to it since %s, last seen %d s ago; wait for it, or stop it (where its end cannot be seen from here, --break-lock %s takes the lock over once it shows no sign of life for %d s)"
            .formatted(
                storage.root(),
                holder.described(),
                holder.started(),
                holder.unseen(now).toSeconds(),
                holder.runId(),
                WATCH.toSeconds()));
  }

  /** Moves a lock out of the way; one of several callers succeeds, the others look again. */
  private static void moveAway(Storage storage, LockOwner holder, LockOwner owner)
      throws IOException {
    String aside = FileNames.LOCK + "." + owner.token();
    try {
      storage.rename(FileNames.LOCK, aside);
    } catch (IOException e) {
      if (holder(storage).equals(Optional.of(holder))) {
        throw e;
      }
      LOG.info("The lock of {} was moved by another run first: {}", storage.root(), e.toString());
      return;
    }
    Optional<String> moved = storage.readText(aside);
    if (moved.isPresent() && !holder.token().isEmpty() && !moved.get().contains(holder.token())) {
      storage.rename(aside, FileNames.LOCK); // another run took over in between: give it back
      throw new OutputRefused(
          "Cannot lock " + storage.root() + ": another run has just taken it over; wait for it");
    }
    storage.delete(aside);
  }

  /**
   * Checks that this owner still holds the lock.
   *
   * @throws LockLost when another run took it over
   */
  void ensureHeld() throws IOException {
    Optional<LockOwner> holder = holder(storage);
    if (holder.isEmpty() || !holder.get().token().equals(owner.token())) {
      throw new LockLost(
          "Cannot go on writing to "
              + storage.root()
              + ": "
              + holder
                  .map(other -> other.described() + " took over")
                  .orElse("its _lock was removed")
              + ", since this run was not seen for "
              + STALE.toSeconds()
              + " s or someone deleted the file; run the same command again");
    }
  }

  /** Says that the owner is alive. */
  void beat() throws IOException {
    ensureHeld();
    storage.replaceText(FileNames.LOCK, owner.seen(clock.instant()).json());
  }

  /** Gives the folder free, if it is still ours. */
  @Override
  public void close() throws IOException {
    heart.shutdown();
    try {
      if (!heart.awaitTermination(30, TimeUnit.SECONDS)) {
        LOG.warn("The heartbeat of {} hangs in the file system", storage.root());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    Optional<LockOwner> holder = holder(storage);
    if (holder.isPresent() && holder.get().token().equals(owner.token())) {
      storage.delete(FileNames.LOCK);
    }
  }

  private void beatOrWarn() {
    try {
      beat();
    } catch (LockLost e) { // thrown again by the next commit
      LOG.error(e.getMessage());
      beats.cancel(false);
    } catch (IOException | RuntimeException e) { // perhaps for a moment only: the next beat tries
      LOG.warn("Cannot renew the lock of {}: {}", storage.root(), e.getMessage());
    }
  }
}
