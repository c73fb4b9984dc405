package io.sparsefill.job.output;

import java.io.IOException;
import java.time.Clock;
import org.apache.hadoop.conf.Configuration;

/**
 * The right to write to a folder that is no run's output: an evaluation's, or the work of a search.
 * It is the same lock that a run takes of its output folder, the file {@value #FILE} in it.
 */
public final class FolderLock implements AutoCloseable {
  /** Its name, which whoever looks what a folder holds leaves out. */
  public static final String FILE = FileNames.LOCK;

  private final OutputLock lock;

  private FolderLock(OutputLock lock) {
    this.lock = lock;
  }

  /**
   * Takes the lock of a folder, which is there.
   *
   * @param owner what others are told about who holds it, such as {@code eval}
   * @throws OutputRefused when another process holds it, naming that
   */
  public static FolderLock take(Configuration conf, String folder, String owner)
      throws IOException {
    Clock clock = Clock.systemUTC();
    LockOwner self = LockOwner.self(owner, Claim.of(owner, ""), clock.instant());
    Storage storage = new Storage(conf, folder);
    return new FolderLock(
        OutputLock.take(storage, self, null, clock, time -> Thread.sleep(time.toMillis())));
  }

  /**
   * Checks that no one has taken it over, as happens to a process that was suspended.
   *
   * @throws IOException if someone did; what is written now would destroy theirs
   */
  public void ensureHeld() throws IOException {
    lock.ensureHeld();
  }

  /** Gives the folder free, if it is still ours. */
  @Override
  public void close() throws IOException {
    lock.close();
  }
}
