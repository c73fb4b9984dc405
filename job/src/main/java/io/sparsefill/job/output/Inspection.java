package io.sparsefill.job.output;

import io.sparsefill.udf.KvBlock;
import io.sparsefill.udf.KvNumbers;
import java.io.IOException;
import java.time.Instant;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.example.data.Group;

/**
 * Looks into an output folder, without Spark: a short report of what it holds, and the numbers of
 * one head.
 */
public final class Inspection {
  private Inspection() {}

  /** Which tensor {@link #head} shows. */
  public enum Tensor {
    /** Keys, after RoPE. */
    KEY,
    /** Values. */
    VALUE
  }

  /**
   * Part of one head of one document.
   *
   * @param docId the document; of its finished rows, the newest counts
   * @param layer 0-based layer
   * @param kvHead 0-based KV head
   * @param tensor keys or values
   * @param from first token
   * @param count number of tokens; fewer are shown where the document ends
   */
  public record HeadRequest(
      String docId, int layer, int kvHead, Tensor tensor, int from, int count) {}

  /**
   * The manifest of a folder, with its identity, runs and files.
   *
   * @throws OutputRefused when the folder holds no output
   */
  public static Manifest manifest(Configuration conf, String output) throws IOException {
    return load(new Storage(conf, output), output);
  }

  /**
   * The run that writes to a folder now, by its lock; empty when none does, or its owner shows no
   * sign of life.
   */
  public static Optional<String> writer(Configuration conf, String output) throws IOException {
    return writer(new Storage(conf, output));
  }

  private static Optional<String> writer(Storage storage) throws IOException {
    return OutputLock.living(storage, Instant.now()).map(LockOwner::runId);
  }

  /**
   * Reports on a folder; reads the manifest and the documents table.
   *
   * @throws OutputRefused when the folder holds no output
   */
  public static InspectionReport report(Configuration conf, String output) throws IOException {
    Storage storage = new Storage(conf, output);
    Manifest manifest = load(storage, output);
    Map<String, Long> statuses = new TreeMap<>();
    Map<String, String> failed = new LinkedHashMap<>();
    Set<String> finished = new HashSet<>();
    InspectionReport.Spread density = new InspectionReport.Spread();
    double prefillSeconds = 0;
    for (StoredFile file : manifest.files(Table.DOCUMENTS)) {
      try (StoredRows reader =
          StoredRows.open(
              storage,
              file.path(),
              Table.DOCUMENTS.columns("doc_id", "status", "error", "density", "prefill_seconds"))) {
        for (Group row = reader.next(); row != null; row = reader.next()) {
          String status = StoredRows.text(row, "status");
          if (status.equals("failed")) {
            failed.put(StoredRows.text(row, "doc_id"), StoredRows.text(row, "error"));
            continue;
          }
          finished.add(StoredRows.text(row, "doc_id"));
          statuses.merge(status, 1L, Long::sum);
          Double share = StoredRows.float64(row, "density");
          Double seconds = StoredRows.float64(row, "prefill_seconds");
          if (share != null) {
            density.add(share);
          }
          prefillSeconds += seconds == null ? 0 : seconds;
        }
      }
    }
    failed.keySet().removeAll(finished);
    if (!failed.isEmpty()) {
      statuses.put("failed", (long) failed.size());
    }
    Map<Table, InspectionReport.Size> sizes = new EnumMap<>(Table.class);
    for (Table table : Table.values()) {
      List<StoredFile> files = manifest.files(table);
      sizes.put(
          table,
          new InspectionReport.Size(
              files.size(),
              files.stream().mapToLong(StoredFile::rows).sum(),
              files.stream().mapToLong(StoredFile::bytes).sum()));
    }
    List<String> errors =
        failed.entrySet().stream()
            .limit(InspectionReport.ERRORS)
            .map(entry -> "'" + entry.getKey() + "': " + entry.getValue())
            .toList();
    return new InspectionReport(
        storage.root(),
        manifest,
        statuses,
        sizes,
        density,
        prefillSeconds,
        errors,
        writer(storage).orElse(null));
  }

  /**
   * The numbers of one head as text: a line per token, the token's position and its D elements,
   * exactly as stored.
   *
   * @throws IllegalArgumentException for a layer, head or token that there is not
   * @throws OutputRefused when the folder has no such document, or no KV
   */
  public static List<String> head(Configuration conf, String output, HeadRequest request)
      throws IOException {
    StoredOutput stored = StoredOutput.open(conf, output);
    Identity identity = stored.identity();
    inside("layer", request.layer(), identity.layers());
    inside("KV head", request.kvHead(), identity.kvHeads());
    VisibleDocument document = stored.document(request.docId());
    inside("token", request.from(), document.tokens());
    if (request.count() < 1) {
      throw new IllegalArgumentException("Cannot show " + request.count() + " tokens: at least 1");
    }
    long end = Math.min(document.tokens(), (long) request.from() + request.count());
    Map<Integer, String> lines = new TreeMap<>();
    try (StoredKv.Blocks blocks = stored.kv(document).layer(request.layer())) {
      for (KvBlock block = blocks.next(); block != null; block = blocks.next()) {
        collect(block, identity, request, end, lines);
      }
    }
    if (lines.size() != end - request.from()) {
      throw new OutputRefused(
          String.format(
              "Cannot show layer %d of '%s': the kv table has %d of its tokens %d to %d; run"
                  + " verify",
              request.layer(), request.docId(), lines.size(), request.from(), end - 1));
    }
    return List.copyOf(lines.values());
  }

  private static void collect(
      KvBlock block, Identity identity, HeadRequest request, long end, Map<Integer, String> lines) {
    KvNumbers numbers =
        request.tensor() == Tensor.KEY ? KvNumbers.keys(block) : KvNumbers.values(block);
    for (int i = 0; i < block.tokenCount(); i++) {
      int token = block.tokenStart() + i;
      if (token >= request.from() && token < end) {
        int at = (i * identity.kvHeads() + request.kvHead()) * identity.headDim();
        StringBuilder line = new StringBuilder().append(token).append(':');
        for (int d = 0; d < identity.headDim(); d++) {
          line.append(' ').append(numbers.at(at + d));
        }
        lines.put(token, line.toString());
      }
    }
  }

  private static Manifest load(Storage storage, String output) throws IOException {
    return ManifestStore.load(storage)
        .orElseThrow(
            () ->
                new OutputRefused(
                    "Cannot read " + output + ": there is no output in it; check --output"));
  }

  private static void inside(String what, int index, int size) {
    if (index < 0 || index >= size) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT, "Cannot show %s %d: there are %d, counted from 0", what, index, size));
    }
  }
}
