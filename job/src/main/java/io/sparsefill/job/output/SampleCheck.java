package io.sparsefill.job.output;

import io.sparsefill.job.output.VerifyReport.Problem;
import io.sparsefill.job.output.VerifyReport.Sample;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.PrefillResult;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.parquet.example.data.Group;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Pre-fills a few documents again, from their stored tokens, and compares keys, values and logits
 * with the tables.
 */
final class SampleCheck {
  private static final String NAME = "pre-filled again";
  private static final Logger LOG = LoggerFactory.getLogger(SampleCheck.class);

  private final SparkSession session;
  private final Storage storage;
  private final Identity identity;
  private final VerifyOptions options;
  private final Recompute recompute;
  private final List<Problem> problems = new ArrayList<>();

  private SampleCheck(
      SparkSession session,
      Storage storage,
      Identity identity,
      VerifyOptions options,
      Recompute recompute) {
    this.session = session;
    this.storage = storage;
    this.identity = identity;
    this.options = options;
    this.recompute = recompute;
  }

  static List<Sample> run(
      SparkSession session,
      Storage storage,
      Identity identity,
      VerifyOptions options,
      Recompute recompute,
      Findings findings) {
    if (recompute == null) {
      throw new IllegalArgumentException("Cannot verify a sample: nothing can pre-fill it");
    }
    SampleCheck check = new SampleCheck(session, storage, identity, options, recompute);
    List<Sample> samples = new ArrayList<>();
    List<Row> chosen =
        session
            .sql(
                "SELECT doc_id, run_id, token_count FROM visible"
                    + " ORDER BY xxhash64(doc_id, run_id, :seed), doc_id LIMIT :count",
                Map.of("seed", options.seed(), "count", options.sampleDocuments()))
            .collectAsList();
    for (Row row : chosen) {
      String docId = row.getString(0);
      String runId = row.getString(1);
      LOG.info("Pre-filling '{}' again: {} tokens", docId, row.getInt(2));
      try {
        samples.add(check.document(docId, runId));
      } catch (Exception e) { // one document's trouble is a finding, not the end
        LOG.warn("Cannot compare '{}' with its pre-fill", docId, e);
        check.problem(docId, runId, e.toString());
      }
    }
    findings.check(NAME, chosen.size(), check.problems);
    return samples;
  }

  private Sample document(String docId, String runId) throws Exception {
    int[] tokens = tokens(docId, runId);
    boolean kv = identity.emit().contains(Emit.KV);
    try (StoredDocument stored =
        new StoredDocument(storage, docId, runId, files("kv_rows", docId, runId))) {
      KvComparison comparison = new KvComparison(stored, identity.layers());
      PrefillResult result = recompute.prefill(tokens, kv ? comparison : null);
      if (kv) {
        comparison.end();
      }
      double logprobs = logits(docId, runId, tokens.length, result);
      Sample sample =
          new Sample(
              docId,
              tokens.length,
              comparison.blocks(),
              comparison.identical(),
              comparison.worst(),
              logprobs);
      judge(sample, runId);
      return sample;
    }
  }

  private void judge(Sample sample, String runId) {
    if (options.exact() && sample.identicalBlocks() != sample.blocks()) {
      problem(
          sample.docId(),
          runId,
          sample.blocks() - sample.identicalBlocks() + " of " + sample.blocks() + " blocks differ");
    }
    if (!(sample.kvDifference() <= options.tolerance())) {
      problem(
          sample.docId(),
          runId,
          String.format(
              Locale.ROOT,
              "keys or values differ by %.2e (Frobenius, relative), more than %.0e",
              sample.kvDifference(),
              options.tolerance()));
    }
    if (!(sample.logprobDifference() <= options.logTolerance())) {
      problem(
          sample.docId(),
          runId,
          String.format(
              Locale.ROOT,
              "log-probabilities differ by %.2e, more than %.0e",
              sample.logprobDifference(),
              options.logTolerance()));
    }
  }

  /** The largest difference of a stored log-probability, or of the mean negative log-likelihood. */
  private double logits(String docId, String runId, int tokens, PrefillResult result)
      throws IOException {
    double worst = 0;
    for (String file : files("logits_rows", docId, runId)) {
      try (StoredRows reader =
          StoredRows.open(
              storage,
              file,
              Table.LOGITS.columns("doc_id", "run_id", "position", "top", "nll"),
              StoredDocument.rowsOf(docId, runId))) {
        for (Group row = reader.next(); row != null; row = reader.next()) {
          Double nll = StoredRows.float64(row, "nll");
          if (nll != null && !nll.isNaN()) {
            worst = worse(worst, Math.abs(nll - result.meanNll()));
          }
          if (row.getFieldRepetitionCount("top") > 0) {
            float[][] last = result.lastLogits();
            float[] again = last[row.getInteger("position", 0) - (tokens - last.length)];
            worst = worse(worst, topDifference(row.getGroup("top", 0), logSoftmax(again)));
          }
        }
      }
    }
    return worst;
  }

  private static double topDifference(Group top, double[] again) {
    double worst = 0;
    for (int i = 0; i < top.getFieldRepetitionCount("list"); i++) {
      Group entry = StoredRows.listItem(top, i).getGroup("element", 0);
      double stored = entry.getDouble("logprob", 0);
      worst = worse(worst, Math.abs(stored - again[entry.getInteger("id", 0)]));
    }
    return worst;
  }

  private static double worse(double worst, double difference) {
    return Double.isNaN(difference) ? Double.POSITIVE_INFINITY : Math.max(worst, difference);
  }

  /** Natural logarithms of softmax, in double. */
  static double[] logSoftmax(float[] logits) {
    double max = Double.NEGATIVE_INFINITY;
    for (float logit : logits) {
      max = Math.max(max, logit);
    }
    double sum = 0;
    for (float logit : logits) {
      sum += Math.exp(logit - max);
    }
    double[] logprobs = new double[logits.length];
    for (int i = 0; i < logits.length; i++) {
      logprobs[i] = logits[i] - max - Math.log(sum);
    }
    return logprobs;
  }

  private int[] tokens(String docId, String runId) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    for (Row row :
        session
            .sql(
                "SELECT ids FROM tokens_rows WHERE doc_id = :doc AND run_id = :run ORDER BY block",
                Map.of("doc", docId, "run", runId))
            .collectAsList()) {
      bytes.write((byte[]) row.getAs(0));
    }
    int[] tokens = new int[bytes.size() / 4];
    ByteBuffer.wrap(bytes.toByteArray()).order(ByteOrder.LITTLE_ENDIAN).asIntBuffer().get(tokens);
    return tokens;
  }

  private List<String> files(String view, String docId, String runId) {
    return session
        .sql(
            "SELECT DISTINCT file FROM " + view + " WHERE doc_id = :doc AND run_id = :run",
            Map.of("doc", docId, "run", runId))
        .collectAsList()
        .stream()
        .map(row -> row.getString(0))
        .sorted()
        .toList();
  }

  private void problem(String docId, String runId, String message) {
    problems.add(new Problem(NAME, docId, runId, null, null, message));
  }
}
