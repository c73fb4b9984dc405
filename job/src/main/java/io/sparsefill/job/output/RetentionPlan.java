package io.sparsefill.job.output;

import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentStatus;
import io.sparsefill.job.output.FileNames.WaveKey;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Which rows of the documents table stay: of each document the newest that was pre-filled, the
 * newest that did not fail, and the newest at all. A row of an older content goes, and so does a
 * failure that a later run has made good; and if a list of documents is given, whatever is not on
 * it.
 */
final class RetentionPlan {
  private final Storage storage;
  private final Set<String> listed;
  private final Map<String, Newest> newest = new HashMap<>();

  private RetentionPlan(Storage storage, Set<String> listed) {
    this.storage = storage;
    this.listed = listed;
  }

  /** The newest runs that have certain rows of a document; null for none. */
  private static final class Newest {
    private String prefilled;
    private String notFailed;
    private String any;
  }

  /**
   * A wave and what of it stays.
   *
   * @param key run and number
   * @param files of all tables
   * @param rows of the documents table
   * @param kept rows that stay
   * @param removed pre-filled documents that go
   * @param share of the wave's tokens that go, those of documents that failed half-way among them;
   *     of a wave without tokens, of its rows
   */
  record WavePlan(
      WaveKey key, List<StoredFile> files, long rows, long kept, long removed, double share) {
    long bytes() {
      return files.stream().mapToLong(StoredFile::bytes).sum();
    }
  }

  /**
   * Looks at the documents table.
   *
   * @param listed names of the documents that stay, or null for all
   */
  static RetentionPlan of(Storage storage, Manifest manifest, Set<String> listed)
      throws IOException {
    RetentionPlan plan = new RetentionPlan(storage, listed);
    for (StoredFile file : manifest.files(Table.DOCUMENTS)) {
      for (DocumentRow row : DocumentRows.read(storage, file.path())) {
        plan.see(row);
      }
    }
    return plan;
  }

  private void see(DocumentRow row) {
    Newest runs = newest.computeIfAbsent(row.docId(), id -> new Newest());
    runs.any = later(runs.any, row.runId());
    if (row.status() != DocumentStatus.FAILED) {
      runs.notFailed = later(runs.notFailed, row.runId());
    }
    if (row.status().isPrefilled()) {
      runs.prefilled = later(runs.prefilled, row.runId());
    }
  }

  private static String later(String known, String next) {
    return known == null || next.compareTo(known) > 0 ? next : known;
  }

  private boolean keeps(DocumentRow row) {
    if (listed != null && !listed.contains(row.docId())) {
      return false;
    }
    Newest runs = newest.get(row.docId());
    return row.runId()
        .equals(
            switch (row.status()) {
              case OK, TRUNCATED -> runs.prefilled;
              case SKIPPED -> runs.notFailed;
              case FAILED -> runs.any;
            });
  }

  /** The rows of a wave that stay. */
  List<DocumentRow> kept(List<StoredFile> files) throws IOException {
    List<DocumentRow> kept = new ArrayList<>();
    for (StoredFile file : files) {
      if (file.table() == Table.DOCUMENTS) {
        for (DocumentRow row : DocumentRows.read(storage, file.path())) {
          if (keeps(row)) {
            kept.add(row);
          }
        }
      }
    }
    return kept;
  }

  /** The waves of which something goes, oldest first. */
  List<WavePlan> waves(Manifest manifest) throws IOException {
    List<WavePlan> plans = new ArrayList<>();
    for (Manifest.Run run : manifest.runs()) {
      boolean copied = !run.prefills(); // such files have no rows of documents that failed
      for (Manifest.Wave wave : run.waves()) {
        WavePlan plan = plan(new WaveKey(run.runId(), wave.wave()), wave.files(), copied);
        if (plan.share() > 0) {
          plans.add(plan);
        }
      }
    }
    return plans;
  }

  private WavePlan plan(WaveKey key, List<StoredFile> files, boolean copied) throws IOException {
    long rows = 0;
    long kept = 0;
    long removed = 0;
    long tokens = 0;
    long gone = 0;
    for (StoredFile file : files) {
      if (file.table() == Table.DOCUMENTS) {
        for (DocumentRow row : DocumentRows.read(storage, file.path())) {
          boolean stays = keeps(row);
          boolean prefilled = row.status().isPrefilled();
          long inFiles =
              prefilled || (row.status() == DocumentStatus.FAILED && !copied)
                  ? row.tokenCount()
                  : 0;
          rows++;
          kept += stays ? 1 : 0;
          removed += prefilled && !stays ? 1 : 0;
          tokens += inFiles;
          gone += stays && prefilled ? 0 : inFiles;
        }
      }
    }
    double share = tokens > 0 ? (double) gone / tokens : (double) (rows - kept) / rows;
    return new WavePlan(key, files, rows, kept, removed, share);
  }
}
