package io.sparsefill.job.output;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.job.output.FileNames.WaveKey;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads and writes the manifest of a folder. Each documents file carries, in its Parquet metadata,
 * the identity and the receipt of its wave; so a wave whose commit was cut off before the manifest
 * was rewritten is found again, and so is a whole manifest that a crash removed (object stores
 * cannot replace a file at once).
 */
final class ManifestStore {
  /** Parquet metadata: canonical JSON of the identity, in every file. */
  static final String IDENTITY = "sparsefill.identity";

  /** Parquet metadata of a documents file: {@link WaveReceipt}. */
  static final String RECEIPT = "sparsefill.wave";

  /** Parquet metadata: the run that wrote a file, in every file. */
  static final String RUN_ID = "sparsefill.run_id";

  private static final Logger LOG = LoggerFactory.getLogger(ManifestStore.class);

  private ManifestStore() {}

  /**
   * The manifest with all committed waves; empty when the folder holds nothing (or is not there).
   *
   * @throws OutputRefused when the folder holds something else than an output of ours
   */
  static Optional<Manifest> load(Storage storage) throws IOException {
    Optional<String> text = storage.readText(FileNames.MANIFEST);
    Manifest manifest =
        text.isPresent()
            ? Manifest.parse(text.get(), storage.path(FileNames.MANIFEST).toString())
            : recreate(storage);
    return manifest == null ? Optional.empty() : Optional.of(recover(storage, manifest));
  }

  /**
   * Looks at a folder before it is touched.
   *
   * @throws OutputRefused when it holds something else than an output of ours
   */
  static void refuseForeign(Storage storage) throws IOException {
    if (!storage.exists(FileNames.MANIFEST)) {
      recreate(storage);
    }
  }

  /** Replaces manifest.json. */
  static void save(Storage storage, Manifest manifest) throws IOException {
    storage.replaceText(FileNames.MANIFEST, manifest.json());
  }

  /** The metadata that every Parquet file carries. */
  static Map<String, String> metadata(String identityJson, String runId) {
    Map<String, String> metadata = new TreeMap<>();
    metadata.put("sparsefill.format_version", String.valueOf(Manifest.FORMAT_VERSION));
    metadata.put(RUN_ID, runId);
    metadata.put("sparsefill.byte_order", "little-endian");
    metadata.put("sparsefill.axis_order", "token,kv_head,head_dim");
    metadata.put("sparsefill.keys", "after RoPE");
    metadata.put(IDENTITY, identityJson);
    return metadata;
  }

  private static Manifest recreate(Storage storage) throws IOException {
    for (Storage.Entry entry : storage.list("documents")) {
      if (FileNames.waveOf(Table.DOCUMENTS, entry.name()).isPresent()) {
        String identity = StoredRows.metadata(storage, "documents/" + entry.name()).get(IDENTITY);
        if (identity != null) {
          LOG.warn("{} has no manifest.json: making it from the documents", storage.root());
          return Manifest.of(
              new Identity(
                  new ObjectMapper()
                      .readValue(identity, new TypeReference<Map<String, String>>() {})));
        }
      }
    }
    for (Storage.Entry entry : storage.list("")) {
      if (!entry.name().startsWith("_") && !entry.name().startsWith(".")) {
        throw new OutputRefused(
            "Cannot use "
                + storage.root()
                + " as output: it has no manifest.json but holds '"
                + entry.name()
                + "'; choose another --output, or an empty folder");
      }
    }
    return null;
  }

  /** Adds committed waves that the manifest lacks. */
  private static Manifest recover(Storage storage, Manifest manifest) throws IOException {
    Set<String> known = new HashSet<>();
    manifest.files(Table.DOCUMENTS).forEach(file -> known.add(file.path()));
    manifest.retired().forEach(wave -> wave.files().forEach(file -> known.add(file.path())));
    String identity = new Identity(manifest.identity()).json();
    Map<WaveKey, WaveReceipt> missing = new HashMap<>();
    for (Storage.Entry entry : storage.list("documents")) {
      String path = "documents/" + entry.name();
      Optional<WaveKey> key = FileNames.waveOf(Table.DOCUMENTS, entry.name());
      if (key.isPresent() && !known.contains(path)) {
        Map<String, String> metadata = StoredRows.metadata(storage, path);
        String json = metadata.get(RECEIPT);
        if (json == null || !identity.equals(metadata.get(IDENTITY))) {
          throw new OutputRefused(
              "Cannot use "
                  + storage.root()
                  + ": "
                  + path
                  + " was written by another program or with other settings; move it away");
        }
        WaveReceipt receipt = WaveReceipt.parse(json);
        long rows = StoredRows.rows(storage, path);
        missing.put(
            key.get(),
            withDocuments(receipt, new StoredFile(Table.DOCUMENTS, path, rows, entry.bytes())));
      }
    }
    List<WaveReceipt> receipts = new ArrayList<>(missing.values());
    receipts.sort(
        Comparator.comparing(WaveReceipt::runId) // which ascend, whatever clocks said
            .thenComparing(receipt -> receipt.wave().wave()));
    Manifest whole = manifest;
    for (WaveReceipt receipt : receipts) {
      LOG.warn(
          "Wave {} of run {} was committed but is not in manifest.json: adding it",
          receipt.wave().wave(),
          receipt.runId());
      whole = whole.with(receipt);
    }
    return whole;
  }

  /** A receipt was written before its documents file was whole, so it lacks that file. */
  static WaveReceipt withDocuments(WaveReceipt receipt, StoredFile documents) {
    Manifest.Wave wave = receipt.wave();
    List<StoredFile> files = new ArrayList<>();
    files.add(documents);
    files.addAll(wave.files());
    return new WaveReceipt(
        receipt.runId(),
        receipt.runStarted(),
        receipt.settings(),
        wave.with(files),
        receipt.throughput(),
        receipt.replaced());
  }
}
