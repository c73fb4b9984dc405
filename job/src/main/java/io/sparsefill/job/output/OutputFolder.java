package io.sparsefill.job.output;

import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.output.FileNames.WaveKey;
import io.sparsefill.job.output.Manifest.Wave;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;

/**
 * An output folder, opened by the driver of one run: locked, checked, and cleaned of what a crash
 * left. Documents become visible wave by wave. Each commit publishes the tasks' files under their
 * final names and then, as the last rename, the wave's documents file: before it no document of the
 * wave is visible, after it all are. The manifest follows and is repaired by the next opening if a
 * crash came between.
 */
public final class OutputFolder implements AutoCloseable {
  private final Storage storage;
  private final Clock clock;
  private final OutputLock lock;
  private final Identity identity;
  private final String runId;
  private final String started;
  private final Map<String, String> settings;
  private final FinishedDocuments finished;
  private Manifest manifest;
  private long changed;
  private long deletedBytes;

  private OutputFolder(
      Storage storage,
      Clock clock,
      OutputLock lock,
      Identity identity,
      String runId,
      Map<String, String> settings,
      Manifest manifest)
      throws IOException {
    this.storage = storage;
    this.clock = clock;
    this.lock = lock;
    this.identity = identity;
    this.runId = runId;
    this.settings = new TreeMap<>(settings);
    this.manifest = manifest;
    this.finished = FinishedDocuments.of(storage, manifest);
    this.started = clock.instant().toString();
  }

  /**
   * Opens a folder for a run, and makes it when it is not there.
   *
   * @param conf Hadoop configuration
   * @param path the folder, on any Hadoop file system that driver and executors share
   * @param identity all that decides the numbers, see {@link Identity}
   * @param runId unique name of the run: letters, digits, {@code . _ -}
   * @param settings where the run comes from, see {@link Manifest.Run}
   * @param claim who asks, and whose lock may be broken
   * @throws OutputConflict when the folder was made with another identity
   * @throws OutputRefused when it cannot be written, is in use, or holds something else
   */
  public static OutputFolder open(
      Configuration conf,
      String path,
      Map<String, String> identity,
      String runId,
      Map<String, String> settings,
      Claim claim)
      throws IOException {
    Clock clock = Clock.systemUTC();
    return open(
        storage(conf, path),
        new Identity(identity),
        LockOwner.self(FileNames.checkRun(runId), claim, clock.instant()),
        claim.breakLock(),
        settings,
        clock,
        time -> Thread.sleep(time.toMillis()));
  }

  static OutputFolder open(
      Storage storage,
      Identity identity,
      LockOwner owner,
      String breakLock,
      Map<String, String> settings,
      Clock clock,
      OutputLock.Pause pause)
      throws IOException {
    ManifestStore.refuseForeign(storage); // before anything is written to it
    OutputLock lock = lock(storage, owner, breakLock, clock, pause);
    try {
      Manifest manifest = stored(storage, identity).orElse(Manifest.of(identity));
      RunIds.checkNewest(owner.runId(), manifest.runs(), storage.root());
      OutputFolder folder =
          new OutputFolder(storage, clock, lock, identity, owner.runId(), settings, manifest);
      Leftovers.deleteUncommitted(storage, manifest);
      folder.deleteRetired();
      ManifestStore.save(storage, folder.manifest);
      return folder;
    } catch (IOException | RuntimeException e) {
      try {
        lock.close();
      } catch (IOException release) {
        e.addSuppressed(release);
      }
      throw e;
    }
  }

  /**
   * The identity of the documents that a folder holds, without locking or changing anything; empty
   * when it holds none.
   *
   * @throws OutputRefused when it holds something else
   */
  public static Optional<Map<String, String>> identity(Configuration conf, String path)
      throws IOException {
    return committed(storage(conf, path)).map(Manifest::identity);
  }

  /**
   * A name for the next run over a folder: it begins with the time, and sorts behind those of all
   * runs that the folder has, also where their machines' clocks were ahead of this one's.
   *
   * @throws OutputRefused when the folder holds something else
   */
  public static String newRunId(Configuration conf, String path) throws IOException {
    List<Manifest.Run> runs = committed(storage(conf, path)).map(Manifest::runs).orElse(List.of());
    return RunIds.next(Instant.now(), runs);
  }

  /** What identifies a finished document: its id and its content. */
  public static String doneKey(String docId, String contentSha256) {
    return contentSha256 + ":" + docId;
  }

  /**
   * Keys ({@link #doneKey}) of all documents that are ok, truncated or skipped, each with its
   * newest content; failed ones are tried again, and so is an older content that came back.
   */
  public Set<String> done() {
    return finished.keys();
  }

  /** Names of the documents whose finished content the folder holds. */
  public Set<String> ids() {
    return finished.ids();
  }

  /** How many documents this run has committed in place of an older content. */
  public long changed() {
    return changed;
  }

  /** The fingerprint of the run's identity, for the documents' rows. */
  public String fingerprint() {
    return manifest.fingerprint();
  }

  /** The run's name, for the documents' rows. */
  public String runId() {
    return runId;
  }

  /** The folder with its file system. */
  public String path() {
    return storage.root();
  }

  /** Whose lock this run took over, and why it could; empty when the folder was free. */
  public Optional<String> lockTakenFrom() {
    return lock.takenFrom();
  }

  /** What the folder holds now. */
  public Manifest manifest() {
    return manifest;
  }

  /**
   * What the tasks of a wave need to write.
   *
   * @param lanes see {@link WriterOptions}
   */
  public WriterOptions writerOptions(int wave, KvCompression kvCompression, int lanes) {
    return new WriterOptions(storage.root(), runId, wave, identity.json(), kvCompression, lanes);
  }

  /** Publishes a wave of a run that has measured nothing yet, see the other method. */
  public Wave commitWave(int wave, List<TaskOutput> outputs) throws IOException {
    return commitWave(wave, outputs, null);
  }

  /**
   * Publishes a wave. When it returns, all its documents are visible; when it throws, none is, or
   * (only if the manifest could not be rewritten) all are.
   *
   * @param wave its number, larger than those before
   * @param outputs of the successful tasks, and of documents that needed none; at least one
   *     document in all
   * @param throughput of the run up to this wave; null when nothing was measured
   * @return the wave's entry in the manifest
   */
  public Wave commitWave(int wave, List<TaskOutput> outputs, Throughput throughput)
      throws IOException {
    return commit(wave, outputs, throughput, null);
  }

  /**
   * Publishes a wave of copies, by which the wave that they were copied from stops being part of
   * the output. When it returns, that is so; when it throws, nothing has changed, or (only if the
   * manifest could not be rewritten) it is so.
   *
   * @param replaced the wave that they were copied from
   * @param grace see {@link Manifest.Retired}
   */
  Wave commitCopy(int wave, List<TaskOutput> outputs, WaveKey replaced, Duration grace)
      throws IOException {
    return commit(
        wave,
        outputs,
        null,
        new WaveReceipt.Replaced(replaced.runId(), replaced.wave(), grace.toSeconds()));
  }

  /** Takes a wave, of which nothing stays, out of the output. */
  void retire(WaveKey wave, Duration grace) throws IOException {
    lock.ensureHeld();
    manifest = manifest.retire(wave, clock.instant().toString(), grace.toSeconds());
    ManifestStore.save(storage, manifest);
  }

  /**
   * Deletes those files of retired waves whose time has come, see {@link Leftovers}.
   *
   * @return bytes of all files that were, by the opening too
   */
  long deleteRetired() throws IOException {
    Leftovers.Deleted deleted = Leftovers.deleteRetired(storage, manifest, clock.instant());
    if (!deleted.waves().isEmpty()) {
      manifest = manifest.without(deleted.waves());
      ManifestStore.save(storage, manifest);
    }
    deletedBytes += deleted.bytes();
    return deletedBytes;
  }

  private Wave commit(
      int wave, List<TaskOutput> outputs, Throughput throughput, WaveReceipt.Replaced replaced)
      throws IOException {
    List<DocumentRow> rows = new ArrayList<>();
    outputs.forEach(output -> rows.addAll(output.documents()));
    checkWave(wave, rows);
    lock.ensureHeld();
    long replacing = replaced == null ? finished.replacedBy(rows) : 0;
    List<StoredFile> files = StagedFiles.publish(storage, runId, wave, outputs);
    Instant began =
        Instant.ofEpochMilli(
            outputs.stream().mapToLong(TaskOutput::startedMillis).min().orElseThrow());
    WaveReceipt receipt =
        new WaveReceipt(
            runId,
            started,
            settings,
            Wave.of(wave, began, clock.instant(), rows, files, replacing),
            throughput,
            replaced);
    String staged = FileNames.staging(runId, wave) + "/documents.parquet";
    Map<String, String> metadata = ManifestStore.metadata(identity.json(), runId);
    metadata.put(ManifestStore.RECEIPT, receipt.json());
    long bytes = DocumentRows.write(storage, staged, rows, metadata);
    lock.ensureHeld();
    String published = FileNames.documents(runId, wave);
    storage.makeFolder(Table.DOCUMENTS.folder());
    storage.rename(staged, published); // the commit
    receipt =
        ManifestStore.withDocuments(
            receipt, new StoredFile(Table.DOCUMENTS, published, rows.size(), bytes));
    manifest = manifest.with(receipt);
    changed += replacing;
    finished.add(rows);
    ManifestStore.save(storage, manifest);
    storage.delete(FileNames.staging(runId, wave));
    return receipt.wave();
  }

  /**
   * Records the run's end in the manifest; a run that does not say so counts as cut off. In a
   * folder without any committed wave nothing is recorded, so that it binds nobody.
   *
   * @param outcome {@link RunRecord#DONE} or {@link RunRecord#TOO_MANY_ERRORS}
   * @param unchanged documents of the input that were finished before; null of a run without input
   * @param seconds wall time
   */
  public void recordEnd(String outcome, Long unchanged, double seconds) throws IOException {
    if (manifest.runs().isEmpty()) {
      return;
    }
    List<Wave> waves =
        manifest.runs().stream()
            .filter(run -> run.runId().equals(runId))
            .flatMap(run -> run.waves().stream())
            .toList();
    String now = clock.instant().toString();
    RunRecord record = RunRecord.of(now, outcome, unchanged, seconds, waves);
    Manifest.Run run = new Manifest.Run(runId, started, settings, List.of(), null);
    lock.ensureHeld();
    manifest = manifest.ended(run.with(List.of(), run.prefills() ? record : record.ofCopies()));
    ManifestStore.save(storage, manifest);
  }

  /** Removes the run's staged files and gives the folder free. */
  @Override
  public void close() throws IOException {
    try (lock) {
      for (Storage.Entry entry : storage.list(FileNames.STAGING)) {
        if (entry.name().startsWith(runId + "-w")) { // never those of a run that took over
          storage.delete(FileNames.STAGING + "/" + entry.name());
        }
      }
      if (storage.list(FileNames.STAGING).isEmpty()) {
        storage.delete(FileNames.STAGING);
      }
    }
  }

  static Storage storage(Configuration conf, String path) throws IOException {
    try {
      return new Storage(conf, path);
    } catch (IOException | IllegalArgumentException e) {
      throw new OutputRefused(
          "Cannot use '" + path + "' as output: " + e.getMessage() + "; choose another --output",
          e);
    }
  }

  private static OutputLock lock(
      Storage storage, LockOwner owner, String breakLock, Clock clock, OutputLock.Pause pause)
      throws IOException {
    try {
      storage.makeFolder("");
      return OutputLock.take(storage, owner, breakLock, clock, pause);
    } catch (OutputRefused e) {
      throw e;
    } catch (IOException e) {
      throw new OutputRefused(
          "Cannot write to %s: %s; choose another --output, or allow this user to write there"
              .formatted(storage.root(), e.getMessage()),
          e);
    }
  }

  /**
   * The manifest that a run of that identity goes on with. One without a committed wave, which a
   * run leaves that ended before its first, binds nobody to its settings and counts as none.
   */
  static Optional<Manifest> stored(Storage storage, Identity identity) throws IOException {
    Optional<Manifest> manifest = committed(storage);
    if (manifest.isPresent() && !manifest.get().identity().equals(identity.fields())) {
      throw new OutputConflict(storage.root(), manifest.get().identity(), identity.fields());
    }
    return manifest;
  }

  private static Optional<Manifest> committed(Storage storage) throws IOException {
    return ManifestStore.load(storage).filter(manifest -> !manifest.runs().isEmpty());
  }

  private void checkWave(int wave, List<DocumentRow> rows) {
    if (rows.isEmpty()) {
      throw new IllegalArgumentException("Cannot commit wave " + wave + ": it has no documents");
    }
    boolean used =
        manifest.runs().stream()
            .filter(run -> run.runId().equals(runId))
            .flatMap(run -> run.waves().stream())
            .anyMatch(earlier -> earlier.wave() >= wave);
    if (wave < 1 || used) {
      throw new IllegalArgumentException(
          "Cannot commit wave " + wave + ": waves count up from 1, and a later one is committed");
    }
    for (DocumentRow row : rows) {
      if (!row.runId().equals(runId) || !row.fingerprint().equals(manifest.fingerprint())) {
        throw new IllegalArgumentException(
            "Cannot commit document '%s' of run %s and fingerprint %s to run %s and fingerprint %s"
                .formatted(
                    row.docId(), row.runId(), row.fingerprint(), runId, manifest.fingerprint()));
      }
    }
  }
}
