package io.sparsefill.job.output;

import static org.apache.parquet.filter2.predicate.FilterApi.binaryColumn;
import static org.apache.parquet.filter2.predicate.FilterApi.eq;

import io.sparsefill.job.DocumentStatus;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.filter2.compat.FilterCompat;
import org.apache.parquet.hadoop.metadata.ParquetMetadata;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.schema.MessageType;

/**
 * What an output folder held when it was opened, for reading: its manifest, its visible documents
 * and their rows. It takes no lock, so it can read beside a run that is writing. Threads may share
 * it.
 */
public final class StoredOutput {
  private static final MessageType COLUMNS =
      Table.DOCUMENTS.columns("doc_id", "token_count", "status", "error", "run_id");

  /** Footers that are kept, of the files that were looked at last: 100 KB or so each. */
  private static final int FOOTERS = 500;

  private static final int NAMED = 3;

  private final Storage storage;
  private final Manifest manifest;
  private final Identity identity;
  private final Map<String, Manifest.Wave> waves = new HashMap<>();

  @SuppressWarnings("serial") // never serialised
  private final Map<String, ParquetMetadata> footers =
      new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, ParquetMetadata> eldest) {
          return size() > FOOTERS;
        }
      };

  private StoredOutput(Storage storage, Manifest manifest) {
    this.storage = storage;
    this.manifest = manifest;
    this.identity = new Identity(manifest.identity());
    for (Manifest.Run run : manifest.runs()) {
      for (Manifest.Wave wave : run.waves()) {
        for (StoredFile file : wave.files()) {
          waves.put(file.path(), wave);
        }
      }
    }
  }

  /**
   * Opens a folder.
   *
   * @param output a path of any Hadoop file system
   * @throws OutputRefused when it holds no output
   */
  public static StoredOutput open(Configuration conf, String output) throws IOException {
    Storage storage = new Storage(conf, output);
    Optional<Manifest> manifest = ManifestStore.load(storage);
    if (manifest.isEmpty()) {
      throw new OutputRefused(
          "Cannot read " + output + ": there is no output in it; check --output");
    }
    return new StoredOutput(storage, manifest.get());
  }

  /** The same on another machine, with what its manifest said where it was opened. */
  public static StoredOutput open(Configuration conf, String output, Manifest manifest)
      throws IOException {
    return new StoredOutput(new Storage(conf, output), manifest);
  }

  /** The folder with its file system. */
  public String root() {
    return storage.root();
  }

  /** The manifest. */
  public Manifest manifest() {
    return manifest;
  }

  /** All that decides the numbers. */
  public Identity identity() {
    return identity;
  }

  /** Who writes to the folder now, in words; empty when nobody does. */
  public Optional<String> writer() throws IOException {
    return OutputLock.holder(storage)
        .map(
            owner ->
                String.format(
                    "run %s (process %s on %s), since %s, last seen %s",
                    owner.runId(), owner.pid(), owner.host(), owner.started(), owner.heartbeat()));
  }

  /** All visible documents, by name. */
  public List<VisibleDocument> documents() throws IOException {
    Map<String, VisibleDocument> newest = new TreeMap<>();
    for (StoredFile file : manifest.files(Table.DOCUMENTS)) {
      newest(file.path(), FilterCompat.NOOP, newest, new TreeMap<>());
    }
    return List.copyOf(newest.values());
  }

  /**
   * One visible document.
   *
   * @throws OutputRefused when there is none of that name; says what became of it, or names others
   */
  public VisibleDocument document(String docId) throws IOException {
    FilterCompat.Filter named =
        FilterCompat.get(eq(binaryColumn("doc_id"), Binary.fromString(docId)));
    Map<String, VisibleDocument> newest = new TreeMap<>();
    Map<String, String> others = new TreeMap<>();
    for (StoredFile file : manifest.files(Table.DOCUMENTS)) {
      newest(file.path(), named, newest, others);
    }
    VisibleDocument found = newest.get(docId);
    if (found != null) {
      return found;
    }
    throw new OutputRefused(
        "Cannot find document '"
            + docId
            + "' in "
            + root()
            + ": it has no finished document of that name; "
            + (others.containsKey(docId) ? others.get(docId) : those(docId)));
  }

  /** Adds the pre-filled documents of a file; of a name, the one of the largest run. */
  private void newest(
      String file,
      FilterCompat.Filter filter,
      Map<String, VisibleDocument> newest,
      Map<String, String> others)
      throws IOException {
    try (StoredRows rows = StoredRows.open(storage, file, COLUMNS, filter)) {
      for (Group row = rows.next(); row != null; row = rows.next()) {
        String docId = StoredRows.text(row, "doc_id");
        String status = StoredRows.text(row, "status");
        String runId = StoredRows.text(row, "run_id");
        if (status.equals(DocumentStatus.OK.label())
            || status.equals(DocumentStatus.TRUNCATED.label())) {
          newest.merge(
              docId,
              new VisibleDocument(docId, runId, row.getInteger("token_count", 0), file),
              (known, next) -> next.runId().compareTo(known.runId()) >= 0 ? next : known);
        } else {
          String error = StoredRows.text(row, "error");
          others.put(docId, "run " + runId + " says " + status + ": " + error);
        }
      }
    }
  }

  /** Names that look like a wanted one, or the first; and how many there are. */
  private String those(String wanted) throws IOException {
    List<String> names = documents().stream().map(VisibleDocument::docId).toList();
    List<String> near =
        names.stream()
            .filter(name -> name.contains(wanted) || wanted.contains(name))
            .limit(NAMED)
            .toList();
    List<String> shown = near.isEmpty() ? names.stream().limit(NAMED).toList() : near;
    return names.size()
        + " documents are there"
        + (shown.isEmpty() ? "" : ", such as '" + String.join("', '", shown) + "'");
  }

  /**
   * A document's token ids, checked against their hashes.
   *
   * @throws IOException when some are missing or wrong
   */
  public int[] tokens(VisibleDocument document) throws IOException {
    return StoredTokens.read(storage, document, beside(document, Table.TOKENS));
  }

  /** A document's keys and values. */
  public StoredKv kv(VisibleDocument document) throws IOException {
    Map<String, ParquetMetadata> files = new HashMap<>();
    for (String file : beside(document, Table.KV)) {
      files.put(file, footer(file));
    }
    return StoredKv.of(storage, document, files);
  }

  /** Files of a table in the wave of a document. */
  private List<String> beside(VisibleDocument document, Table table) {
    Collection<StoredFile> files = waves.get(document.listedIn()).files();
    List<String> paths = new ArrayList<>();
    for (StoredFile file : files) {
      if (file.table() == table) {
        paths.add(file.path());
      }
    }
    return paths;
  }

  private ParquetMetadata footer(String path) throws IOException {
    synchronized (footers) {
      ParquetMetadata known = footers.get(path);
      if (known != null) {
        return known;
      }
    }
    ParquetMetadata read = StoredRows.footer(storage, path);
    synchronized (footers) {
      footers.put(path, read);
    }
    return read;
  }
}
