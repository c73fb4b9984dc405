package io.sparsefill.job.output;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.apache.hadoop.net.NetUtils;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Who holds the lock of an output folder. All but token, run, pid and times may be empty, or null
 * in a lock of an earlier version.
 *
 * @param token unique to one taking of the lock
 * @param runId of the owner's run
 * @param command that runs, {@code run} or {@code retain}
 * @param application Spark's id of it
 * @param user name of its user on the host
 * @param host name and address
 * @param boot Linux's id of the host's last start, since cloned machines have equal names, and of
 *     the pid namespace, since containers that share a host's name do not see each other's
 *     processes
 * @param pid of its process there
 * @param processStarted when that process began, since a pid is used again
 * @param started when the lock was taken
 * @param heartbeat when the owner was last seen, by its own clock
 */
record LockOwner(
    String token,
    String runId,
    String command,
    String application,
    String user,
    String host,
    String boot,
    long pid,
    String processStarted,
    String started,
    String heartbeat) {
  private static final Logger LOG = LoggerFactory.getLogger(LockOwner.class);
  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
          .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .build();

  /** This process. */
  static LockOwner self(String runId, Claim claim, Instant now) {
    ProcessHandle process = ProcessHandle.current();
    return new LockOwner(
        UUID.randomUUID().toString(),
        runId,
        claim.command(),
        claim.application(),
        System.getProperty("user.name", ""),
        NetUtils.getHostname(),
        bootOfThisProcess(),
        process.pid(),
        process.info().startInstant().map(Instant::toString).orElse(""),
        now.toString(),
        now.toString());
  }

  /** The owner of a lock whose file is not whole: nothing is known but the file's age. */
  static LockOwner unknown(Instant modified) {
    String seen = modified.toString();
    return new LockOwner("", "unknown", "", "", "", "unknown", "", 0, "", seen, seen);
  }

  private static String bootOfThisProcess() {
    Path file = Path.of("/proc/sys/kernel/random/boot_id");
    Path namespace = Path.of("/proc/self/ns/pid");
    try {
      return Files.exists(file)
          ? Files.readString(file).strip() + " " + Files.readSymbolicLink(namespace)
          : "";
    } catch (IOException e) {
      LOG.warn("Cannot read {} and {}: {}", file, namespace, e.toString());
      return "";
    }
  }

  /** The same owner, seen again. */
  LockOwner seen(Instant now) {
    return new LockOwner(
        token,
        runId,
        command,
        application,
        user,
        host,
        boot,
        pid,
        processStarted,
        started,
        now.toString());
  }

  /** Whether the owner's process, which this one would see, is gone. */
  boolean dead() {
    if (!host.equals(NetUtils.getHostname()) || !boot.equals(bootOfThisProcess())) {
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

  /** How long the owner was not seen, by this machine's clock; not below 0. */
  Duration unseen(Instant now) {
    Duration unseen = Duration.between(Instant.parse(heartbeat), now);
    return unseen.isNegative() ? Duration.ZERO : unseen;
  }

  /** For people: the run and where it runs. */
  String described() {
    List<String> parts = new ArrayList<>();
    parts.add("process " + pid + " on " + host);
    add(parts, "user ", user);
    add(parts, "application ", application);
    add(parts, "command ", command);
    return "run " + runId + " (" + String.join(", ", parts) + ")";
  }

  private static void add(List<String> parts, String name, String value) {
    if (value != null && !value.isEmpty()) {
      parts.add(name + value);
    }
  }

  String json() {
    try {
      return JSON.writeValueAsString(this);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("Cannot write the lock's owner as JSON", e);
    }
  }

  static LockOwner parse(String json) throws JsonProcessingException {
    return JSON.readValue(json, LockOwner.class);
  }
}
