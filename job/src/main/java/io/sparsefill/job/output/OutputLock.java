package io.sparsefill.job.output;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.net.NetUtils;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The right to write to an output folder: the file {@code _lock}, which names its owner and is
 * rewritten every ten seconds. A lock is taken over when its owner ran on this host and is gone, or
 * has not been seen for two minutes. An owner that lost its lock this way (it was suspended, say)
 * finds out before it commits.
 */
final class OutputLock implements AutoCloseable {
  static final Duration HEARTBEAT = Duration.ofSeconds(10);
  static final Duration STALE = Duration.ofMinutes(2);

  private static final Logger LOG = LoggerFactory.getLogger(OutputLock.class);
  private static final ObjectMapper JSON =
      JsonMapper.builder().propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE).build();

  private final Storage storage;
  private final Clock clock;
  private final Owner owner;
  private final ScheduledExecutorService heart;
  private final ScheduledFuture<?> beats;

  /**
   * Who holds a lock.
   *
   * @param token unique to one taking of the lock
   * @param runId of the owner's run
   * @param host name and address
   * @param boot Linux's id of the host's last start, since cloned machines have equal names; may be
   *     empty
   * @param pid of its process there
   * @param processStarted when that process began, since a pid is used again; may be empty
   * @param started when the lock was taken
   * @param heartbeat when the owner was last seen
   */
  record Owner(
      String token,
      String runId,
      String host,
      String boot,
      long pid,
      String processStarted,
      String started,
      String heartbeat) {

    /** This process. */
    static Owner self(String runId, Instant now) {
      ProcessHandle process = ProcessHandle.current();
      return new Owner(
          UUID.randomUUID().toString(),
          runId,
          NetUtils.getHostname(),
          bootId(),
          process.pid(),
          process.info().startInstant().map(Instant::toString).orElse(""),
          now.toString(),
          now.toString());
    }

    Owner seen(Instant now) {
      return new Owner(token, runId, host, boot, pid, processStarted, started, now.toString());
    }

    /** Whether the owner's process, on this host, is gone. */
    boolean dead() {
      if (!host.equals(NetUtils.getHostname()) || !boot.equals(bootId())) {
        return false;
      }
      Optional<ProcessHandle> process = ProcessHandle.of(pid);
      if (process.isEmpty() || !process.get().isAlive()) {
        return true;
      }
      Optional<Instant> start = process.get().info().startInstant();
      return !processStarted.isEmpty()
          && start.isPresent()
          && !start.get().toString().equals(processStarted);
    }
  }

  private static String bootId() {
    Path file = Path.of("/proc/sys/kernel/random/boot_id");
    try {
      return Files.exists(file) ? Files.readString(file).strip() : "";
    } catch (IOException e) {
      LOG.warn("Cannot read {}: {}", file, e.getMessage());
      return "";
    }
  }

  private OutputLock(Storage storage, Clock clock, Owner owner) {
    this.storage = storage;
    this.clock = clock;
    this.owner = owner;
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

  /**
   * Takes the lock.
   *
   * @throws OutputRefused when another run holds it
   */
  static OutputLock take(Storage storage, Owner owner, Clock clock) throws IOException {
    for (int attempt = 0; attempt < 3; attempt++) {
      if (storage.createText(FileNames.LOCK, json(owner))) {
        return new OutputLock(storage, clock, owner);
      }
      Optional<Owner> holder = holder(storage);
      if (holder.isPresent()) {
        takeOver(storage, holder.get(), owner, clock.instant());
      }
    }
    throw new OutputRefused(
        "Cannot lock "
            + storage.root()
            + ": other runs take its _lock at the same moment; try again");
  }

  /** Who holds the lock of a folder, if anyone. */
  static Optional<Owner> holder(Storage storage) throws IOException {
    Optional<String> text = storage.readText(FileNames.LOCK);
    Optional<Long> modified = storage.modified(FileNames.LOCK);
    if (text.isEmpty() || modified.isEmpty()) {
      return Optional.empty();
    }
    try {
      return Optional.of(JSON.readValue(text.get(), Owner.class));
    } catch (JsonProcessingException e) { // caught while its owner writes it, or cut off by a crash
      LOG.warn("The _lock of {} is not whole: {}", storage.root(), e.getOriginalMessage());
      String seen = Instant.ofEpochMilli(modified.get()).toString();
      return Optional.of(new Owner("", "unknown", "unknown", "", 0, "", seen, seen));
    }
  }

  /** Moves a stale lock out of the way; one of several callers succeeds. */
  private static void takeOver(Storage storage, Owner holder, Owner owner, Instant now)
      throws IOException {
    Duration unseen = Duration.between(Instant.parse(holder.heartbeat()), now);
    boolean dead = holder.dead();
    if (!dead && unseen.compareTo(STALE) <= 0) {
      throw new OutputRefused(
          "Cannot write to "
              + storage.root()
              + ": run "
              + holder.runId()
              + " (process "
              + holder.pid()
              + " on "
              + holder.host()
              + ") writes to it since "
              + holder.started()
              + ", last seen "
              + Math.max(0, unseen.toSeconds())
              + " s ago; wait for it, or stop it");
    }
    LOG.warn(
        "Taking over the lock of {} from run {}: its process {} on {} {}",
        storage.root(),
        holder.runId(),
        holder.pid(),
        holder.host(),
        dead ? "is gone" : "was not seen for " + unseen.toSeconds() + " s");
    String aside = FileNames.LOCK + "." + owner.token();
    storage.rename(FileNames.LOCK, aside);
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
    Optional<Owner> holder = holder(storage);
    if (holder.isEmpty() || !holder.get().token().equals(owner.token())) {
      throw new LockLost(
          "Cannot go on writing to "
              + storage.root()
              + ": "
              + holder
                  .map(other -> "run " + other.runId() + " on " + other.host() + " took over")
                  .orElse("its _lock was removed")
              + ", since this run was not seen for "
              + STALE.toSeconds()
              + " s or someone deleted the file; run the same command again");
    }
  }

  /** Says that the owner is alive. */
  void beat() throws IOException {
    ensureHeld();
    storage.replaceText(FileNames.LOCK, json(owner.seen(clock.instant())));
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
    Optional<Owner> holder = holder(storage);
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

  private static String json(Owner owner) {
    try {
      return JSON.writeValueAsString(owner);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("Cannot write the lock's owner as JSON", e);
    }
  }
}
