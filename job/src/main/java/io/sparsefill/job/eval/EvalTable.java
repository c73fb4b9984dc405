package io.sparsefill.job.eval;

import io.sparsefill.job.eval.task.Task;
import java.util.Locale;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.SimpleGroup;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.MessageTypeParser;

/** The tables of an evaluation's folder, one folder of Parquet each. */
@SuppressWarnings("ImmutableEnumChecker") // the schema class has no mutator that we use
enum EvalTable {
  /** One row per sample and mode; see {@link SampleRow}. */
  SAMPLES(
      """
      message samples {
        required binary task (STRING);
        required binary wording (STRING);
        required int32 length;
        optional double depth;
        required int32 number;
        required binary sample (STRING);
        required binary mode (STRING);
        required binary attention_digest (STRING);
        optional binary prefilled (STRING);
        optional int32 prompt_tokens;
        optional int32 questions;
        optional int32 hits;
        optional int32 answers;
        optional int32 answers_right;
        optional int32 answer_tokens;
        optional int32 tokens_right;
        optional double density;
        optional double seconds;
        optional binary device (STRING);
        optional binary error (STRING);
      }
      """),

  /** One row per text, length, mode and bucket of positions; see {@link BucketRow}. */
  PERPLEXITY(
      """
      message perplexity {
        required binary text (STRING);
        required int32 number;
        required int32 length;
        required binary mode (STRING);
        required int32 bucket_from;
        required int32 bucket_to;
        required double nll_sum;
        required int64 tokens;
        required double perplexity;
      }
      """),

  /** One row per document and mode; see {@link FidelityRow}. */
  FIDELITY(
      """
      message fidelity {
        required binary doc_id (STRING);
        required binary content_sha256 (STRING);
        required int32 token_count;
        required binary mode (STRING);
        required binary attention_digest (STRING);
        optional int32 positions;
        optional int32 top1_agreed;
        optional boolean top1_last;
        optional double kl_last;
        optional double kl_mean;
        optional double kl_max;
        optional double nll;
        optional double layer_error;
        optional double recall;
        optional double density;
        optional double seconds;
        optional binary device (STRING);
        optional binary error (STRING);
      }
      """),

  /** One row per document, mode and layer; see {@link LayerRow}. */
  FIDELITY_LAYERS(
      """
      message fidelity_layers {
        required binary doc_id (STRING);
        required binary content_sha256 (STRING);
        required binary mode (STRING);
        required int32 layer;
        required double error;
        required double last_error;
        required double recall;
      }
      """);

  private final MessageType schema;

  EvalTable(String schema) {
    this.schema = MessageTypeParser.parseMessageType(schema);
  }

  /** The table's folder. */
  String folder() {
    return name().toLowerCase(Locale.ROOT);
  }

  MessageType schema() {
    return schema;
  }

  /** A row of {@link #SAMPLES}. */
  static Group of(SampleRow row) {
    Group group = new SimpleGroup(SAMPLES.schema);
    EvalUnit unit = row.unit();
    group.add("task", unit.task().label());
    group.add("wording", row.wording());
    group.add("length", unit.length());
    if (!Double.isNaN(unit.depth())) {
      group.add("depth", unit.depth());
    }
    group.add("number", unit.number());
    group.add("sample", unit.id());
    group.add("mode", row.mode());
    group.add("attention_digest", row.digest());
    SampleRow.Score score = row.score();
    if (score != null) {
      group.add("prefilled", score.prefilled());
      group.add("prompt_tokens", score.prefillTokens());
      group.add("questions", score.questions());
      group.add("hits", score.hits());
      group.add("answers", score.answers());
      group.add("answers_right", score.answersRight());
      group.add("answer_tokens", score.answerTokens());
      group.add("tokens_right", score.tokensRight());
      group.add("density", score.density());
      group.add("seconds", score.seconds());
      group.add("device", score.device());
    }
    if (row.failed()) {
      group.add("error", row.error());
    }
    return group;
  }

  /** What {@link #of(SampleRow)} made a row of. */
  static SampleRow sample(Group group) {
    boolean placed = group.getFieldRepetitionCount("depth") > 0;
    EvalUnit unit =
        new EvalUnit(
            Task.valueOf(group.getString("task", 0).toUpperCase(Locale.ROOT)),
            group.getInteger("length", 0),
            placed ? group.getDouble("depth", 0) : Double.NaN,
            group.getInteger("number", 0));
    boolean failed = group.getFieldRepetitionCount("error") > 0;
    SampleRow.Score score =
        failed
            ? null
            : new SampleRow.Score(
                group.getString("prefilled", 0),
                group.getInteger("prompt_tokens", 0),
                group.getInteger("questions", 0),
                group.getInteger("hits", 0),
                group.getInteger("answers", 0),
                group.getInteger("answers_right", 0),
                group.getInteger("answer_tokens", 0),
                group.getInteger("tokens_right", 0),
                group.getDouble("density", 0),
                group.getDouble("seconds", 0),
                group.getString("device", 0));
    return new SampleRow(
        unit,
        group.getString("wording", 0),
        group.getString("mode", 0),
        group.getString("attention_digest", 0),
        score,
        failed ? group.getString("error", 0) : null);
  }

  /** A row of {@link #PERPLEXITY}. */
  static Group of(BucketRow row) {
    Group group = new SimpleGroup(PERPLEXITY.schema);
    group.add("text", row.text());
    group.add("number", row.unit().number());
    group.add("length", row.unit().length());
    group.add("mode", row.mode());
    group.add("bucket_from", row.from());
    group.add("bucket_to", row.to());
    group.add("nll_sum", row.nllSum());
    group.add("tokens", row.tokens());
    group.add("perplexity", row.perplexity());
    return group;
  }

  /** What {@link #of(BucketRow)} made a row of. */
  static BucketRow bucket(Group group) {
    return new BucketRow(
        new EvalUnit(
            Task.PPL, group.getInteger("length", 0), Double.NaN, group.getInteger("number", 0)),
        group.getString("text", 0),
        group.getString("mode", 0),
        group.getInteger("bucket_from", 0),
        group.getInteger("bucket_to", 0),
        group.getDouble("nll_sum", 0),
        group.getLong("tokens", 0));
  }

  /** A row of {@link #FIDELITY}. */
  static Group of(FidelityRow row) {
    Group group = new SimpleGroup(FIDELITY.schema);
    group.add("doc_id", row.docId());
    group.add("content_sha256", row.contentSha256());
    group.add("token_count", row.tokens());
    group.add("mode", row.mode());
    group.add("attention_digest", row.digest());
    FidelityRow.Score score = row.score();
    if (score != null) {
      group.add("positions", score.positions());
      group.add("top1_agreed", score.agreed());
      group.add("top1_last", score.lastAgrees());
      group.add("kl_last", score.klLast());
      group.add("kl_mean", score.klMean());
      group.add("kl_max", score.klMax());
      group.add("nll", score.nll());
      group.add("layer_error", score.layerError());
      group.add("recall", score.recall());
      group.add("density", score.density());
      group.add("seconds", score.seconds());
      group.add("device", score.device());
    }
    if (row.failed()) {
      group.add("error", row.error());
    }
    return group;
  }

  /** What {@link #of(FidelityRow)} made a row of. */
  static FidelityRow fidelity(Group group) {
    boolean failed = group.getFieldRepetitionCount("error") > 0;
    FidelityRow.Score score =
        failed
            ? null
            : new FidelityRow.Score(
                group.getInteger("positions", 0),
                group.getInteger("top1_agreed", 0),
                group.getBoolean("top1_last", 0),
                group.getDouble("kl_last", 0),
                group.getDouble("kl_mean", 0),
                group.getDouble("kl_max", 0),
                group.getDouble("nll", 0),
                group.getDouble("layer_error", 0),
                group.getDouble("recall", 0),
                group.getDouble("density", 0),
                group.getDouble("seconds", 0),
                group.getString("device", 0));
    return new FidelityRow(
        group.getString("doc_id", 0),
        group.getString("content_sha256", 0),
        group.getInteger("token_count", 0),
        group.getString("mode", 0),
        group.getString("attention_digest", 0),
        score,
        failed ? group.getString("error", 0) : null);
  }

  /** A row of {@link #FIDELITY_LAYERS}. */
  static Group of(LayerRow row) {
    Group group = new SimpleGroup(FIDELITY_LAYERS.schema);
    group.add("doc_id", row.docId());
    group.add("content_sha256", row.contentSha256());
    group.add("mode", row.mode());
    group.add("layer", row.layer());
    group.add("error", row.error());
    group.add("last_error", row.lastError());
    group.add("recall", row.recall());
    return group;
  }

  /** What {@link #of(LayerRow)} made a row of. */
  static LayerRow layer(Group group) {
    return new LayerRow(
        group.getString("doc_id", 0),
        group.getString("content_sha256", 0),
        group.getString("mode", 0),
        group.getInteger("layer", 0),
        group.getDouble("error", 0),
        group.getDouble("last_error", 0),
        group.getDouble("recall", 0));
  }
}
