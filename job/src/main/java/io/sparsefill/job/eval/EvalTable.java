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
}
