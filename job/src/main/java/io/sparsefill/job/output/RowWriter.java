package io.sparsefill.job.output;

import io.sparsefill.job.AnswerRow;
import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.LogitsRow;
import io.sparsefill.udf.KvBlock;
import org.apache.parquet.example.data.Group;

/** How a row of type R becomes the fields of its table. */
@FunctionalInterface
interface RowWriter<R> {
  void write(R row, RowFields fields);

  /** A row of the kv table before it is written. */
  record KvRow(String docId, KvBlock block, String runId) {}

  /** A row of the tokens table before it is written. */
  @SuppressWarnings("ArrayRecordComponent") // written once, never compared
  record TokensRow(
      String docId, int block, int tokenStart, int[] tokenIds, String prefixSha256, String runId) {}

  /** Rows of the kv table; how their cells lie depends on what compresses them. */
  static RowWriter<KvRow> kv(KvCompression compression) {
    return (row, fields) ->
        KvCells.write(row.docId(), row.block(), row.runId(), compression, fields);
  }

  static void tokens(TokensRow row, RowFields fields) {
    fields
        .text("doc_id", row.docId())
        .int32("block", row.block())
        .int32("token_start", row.tokenStart())
        .int32("token_count", row.tokenIds().length)
        .ints("token_ids", row.tokenIds())
        .text("prefix_sha256", row.prefixSha256())
        .text("run_id", row.runId());
  }

  /** The logits table's rows carry no run of their own: all rows of a file have the same. */
  static RowWriter<LogitsRow> logits(String runId) {
    return (row, fields) ->
        fields
            .text("doc_id", row.docId())
            .int32("position", row.position())
            .structs(
                "top",
                row.topIds() == null ? -1 : row.topIds().length,
                (i, top) ->
                    top.int32("id", row.topIds()[i])
                        .text("token", row.topTokens()[i])
                        .float64("logprob", row.topLogprobs()[i]))
            .bytes("logits", row.logits())
            .float64("nll", row.nll())
            .float64("perplexity", row.perplexity())
            .floats("token_nll", row.tokenNll())
            .floats("hidden", row.hidden())
            .text("run_id", runId);
  }

  /** Nor do those of the answers table. */
  static RowWriter<AnswerRow> answers(String runId) {
    return (row, fields) ->
        fields
            .text("doc_id", row.docId())
            .text("question", row.question())
            .text("answer", row.answer())
            .ints("token_ids", row.tokenIds())
            .doubles("logprobs", row.logprobs())
            .text("finish_reason", row.finishReason())
            .text("run_id", runId);
  }

  /** Rows of any table as they were read, under the name of another run. */
  static RowWriter<Group> copy(String runId) {
    return (row, fields) -> {
      for (String name : fields.names()) {
        if (name.equals("run_id")) {
          fields.text(name, runId);
        } else {
          fields.copy(name, row);
        }
      }
    };
  }

  static void documents(DocumentRow row, RowFields fields) {
    fields
        .text("doc_id", row.docId())
        .text("source", row.source())
        .text("content_sha256", row.contentSha256())
        .int32("token_count", row.tokenCount())
        .text("status", row.status().label())
        .text("error", row.error())
        .text("attention", row.attention())
        .float64("density", row.density())
        .float64("prefill_seconds", row.prefillSeconds())
        .text("device", row.device())
        .text("fingerprint", row.fingerprint())
        .text("run_id", row.runId());
  }
}
