package io.sparsefill.job.output;

import io.sparsefill.job.output.VerifyReport.Problem;
import io.sparsefill.job.output.VerifyReport.Sample;
import io.sparsefill.udf.Emit;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads a whole output folder again and checks it: files against the manifest, every document once,
 * every layer and block there with its checksum, every prefix hash, every position of the logits,
 * every answer; and, for a sample, the stored numbers against a pre-fill that is run again. It
 * reads only, so it can run beside a run that is writing.
 */
public final class Verification {
  private static final Logger LOG = LoggerFactory.getLogger(Verification.class);

  private Verification() {}

  /**
   * Verifies a folder.
   *
   * @param spark does the reading, a task per file
   * @param output the folder
   * @param options what, and how strictly
   * @param recompute pre-fills a sample's tokens; may be null when no sample is asked for
   * @throws OutputRefused when the folder holds no output
   * @throws IOException when it cannot be read at all; unreadable tables are problems in the report
   */
  public static VerifyReport run(
      SparkSession spark, String output, VerifyOptions options, Recompute recompute)
      throws IOException {
    Configuration conf = spark.sparkContext().hadoopConfiguration();
    Storage storage = new Storage(conf, output);
    Manifest manifest =
        ManifestStore.load(storage)
            .orElseThrow(
                () ->
                    new OutputRefused(
                        "Cannot verify " + output + ": there is no output in it; check --output"));
    SparkSession session = spark.newSession(); // its own temporary views
    // A RAPIDS plugin has nothing to gain here; without it the key is unknown and harmless.
    session.conf().set("spark.rapids.sql.enabled", "false");
    Identity identity = new Identity(manifest.identity());
    Findings findings = new Findings(options.listed());
    List<String> notes = new ArrayList<>();
    checkFiles(storage, manifest, findings, notes);
    List<Dataset<Row>> scans = new ArrayList<>();
    try {
      scans.add(view("documents_rows", DocumentsCheck.scan(session, storage, manifest)));
      scans.add(view("tokens_rows", TokensCheck.scan(session, storage, manifest)));
      scans.add(view("kv_rows", KvCheck.scan(session, storage, manifest)));
      scans.add(view("logits_rows", LogitsCheck.scan(session, storage, manifest)));
      scans.add(view("answers_rows", AnswersCheck.scan(session, storage, manifest)));
      checkRows(session, manifest, findings);
      DocumentsCheck.run(session, manifest, findings);
      session
          .sql(
              "SELECT doc_id, run_id, max(token_count) AS token_count FROM documents_rows"
                  + " WHERE status IN ('ok', 'truncated') GROUP BY doc_id, run_id")
          .createOrReplaceTempView("visible");
      long documents = session.table("visible").count();
      TokensCheck.run(session, identity, documents, findings);
      if (identity.emit().contains(Emit.KV)) {
        KvCheck.run(session, identity, documents, findings);
      }
      LogitsCheck.run(session, identity, documents, findings);
      if (identity.emit().contains(Emit.ANSWER)) {
        AnswersCheck.run(session, identity, documents, findings);
      }
      notes.addAll(invisible(session));
      List<Sample> samples =
          options.sampleDocuments() == 0
              ? List.of()
              : SampleCheck.run(session, storage, identity, options, recompute, findings);
      return new VerifyReport(findings.checks(), findings.problems(), samples, notes);
    } finally {
      scans.forEach(Dataset::unpersist);
    }
  }

  private static Dataset<Row> view(String name, Dataset<Row> rows) {
    rows.createOrReplaceTempView(name);
    return rows;
  }

  /** Paths of a table's files. */
  static List<String> paths(Manifest manifest, Table table) {
    return manifest.files(table).stream().map(StoredFile::path).toList();
  }

  /** Files of the manifest exist with their sizes; files beside them are told. */
  private static void checkFiles(
      Storage storage, Manifest manifest, Findings findings, List<String> notes)
      throws IOException {
    Optional<LockOwner> writer = OutputLock.holder(storage);
    writer.ifPresent(
        owner ->
            notes.add(
                "run "
                    + owner.runId()
                    + " holds the lock since "
                    + owner.started()
                    + "; what it has not committed is not looked at"));
    List<Problem> wrong = new ArrayList<>();
    List<Problem> orphans = new ArrayList<>();
    long files = 0;
    for (Table table : Table.values()) {
      Map<String, Long> found = new HashMap<>();
      for (Storage.Entry entry : storage.list(table.folder())) {
        found.put(table.folder() + "/" + entry.name(), entry.bytes());
      }
      for (StoredFile file : manifest.files(table)) {
        Long bytes = found.remove(file.path());
        files++;
        if (bytes == null) {
          wrong.add(problem("files", file.path() + " is missing"));
        } else if (bytes != file.bytes()) {
          wrong.add(
              problem(
                  "files",
                  file.path() + " has " + bytes + " bytes, the manifest says " + file.bytes()));
        }
      }
      manifest.retired().forEach(wave -> wave.files().forEach(file -> found.remove(file.path())));
      if (writer.isEmpty()) {
        found.keySet().stream()
            .sorted()
            .forEach(path -> orphans.add(problem("orphans", path + " is not in the manifest")));
      }
    }
    findings.check("files", files, wrong);
    findings.check("orphans", files + orphans.size(), orphans);
    if (!manifest.retired().isEmpty()) {
      notes.add(
          manifest.retired().size()
              + " waves are superseded; their files wait for readers that have begun");
    }
    int staged = storage.list(FileNames.STAGING).size();
    if (staged > 0 && writer.isEmpty()) {
      notes.add(staged + " waves are staged and no run is on; the next run removes them");
    }
  }

  /** Every file can be read and has the rows that the manifest says. */
  private static void checkRows(SparkSession session, Manifest manifest, Findings findings) {
    List<Problem> unreadable = new ArrayList<>();
    List<Problem> counts = new ArrayList<>();
    long files = 0;
    for (Table table : Table.values()) {
      Map<String, Long> rows = new HashMap<>();
      Set<String> broken = new HashSet<>();
      for (Row row :
          session
              .sql(
                  "SELECT file, count_if(unreadable IS NULL), max(unreadable) FROM "
                      + table.folder()
                      + "_rows GROUP BY file")
              .collectAsList()) {
        rows.put(row.getString(0), row.getLong(1));
        if (!row.isNullAt(2)) {
          broken.add(row.getString(0));
          unreadable.add(problem("readable", row.getString(0) + ": " + row.getString(2)));
        }
      }
      for (StoredFile file : manifest.files(table)) {
        files++;
        long found = rows.getOrDefault(file.path(), 0L);
        if (found != file.rows() && !broken.contains(file.path())) {
          counts.add(
              problem(
                  "row counts",
                  file.path() + " has " + found + " rows, the manifest says " + file.rows()));
        }
      }
    }
    findings.check("readable", files, unreadable);
    findings.check("row counts", files, counts);
    LOG.info("Read {} files of {} tables", files, Table.values().length);
  }

  /** Rows without a visible document: what failed documents left. */
  private static List<String> invisible(SparkSession session) {
    List<String> notes = new ArrayList<>();
    for (Table table : Table.BY_DOCUMENT) {
      long rows =
          session
              .sql(
                  "SELECT 1 FROM "
                      + table.folder()
                      + "_rows r LEFT ANTI JOIN visible v"
                      + " ON r.doc_id = v.doc_id AND r.run_id = v.run_id"
                      + " WHERE r.unreadable IS NULL")
              .count();
      if (rows > 0) {
        notes.add(rows + " rows of " + table.folder() + " belong to documents that failed");
      }
    }
    return notes;
  }

  private static Problem problem(String check, String message) {
    return new Problem(check, null, null, null, null, message);
  }
}
