package io.sparsefill.job.output;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonValue;
import java.util.Arrays;
import java.util.List;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.MessageTypeParser;
import org.apache.spark.sql.types.StructType;

/**
 * The tables of an output folder, one flat folder of Parquet files each. A row of {@code tokens},
 * {@code kv}, {@code logits} or {@code answers} counts only if {@code documents} has a row of the
 * same {@code doc_id} and {@code run_id} with status ok or truncated.
 */
@SuppressWarnings("ImmutableEnumChecker") // neither schema class has a mutator that we use
public enum Table {
  /** One row per document and run: what became of it. */
  DOCUMENTS(
      "documents",
      """
      message documents {
        required binary doc_id (STRING);
        required binary source (STRING);
        required binary content_sha256 (STRING);
        required int32 token_count;
        required binary status (STRING);
        optional binary error (STRING);
        optional binary attention (STRING);
        optional double density;
        optional double prefill_seconds;
        optional binary device (STRING);
        required binary fingerprint (STRING);
        required binary run_id (STRING);
      }
      """,
      "doc_id STRING, source STRING, content_sha256 STRING, token_count INT, status STRING,"
          + " error STRING, attention STRING, density DOUBLE, prefill_seconds DOUBLE,"
          + " device STRING, fingerprint STRING, run_id STRING"),

  /**
   * One row per document and block of tokens; {@code prefix_sha256} is the hex SHA-256 of all token
   * ids from the document's first to the block's last, as little-endian int32.
   */
  TOKENS(
      "tokens",
      """
      message tokens {
        required binary doc_id (STRING);
        required int32 block;
        required int32 token_start;
        required int32 token_count;
        required group token_ids (LIST) { repeated group list { required int32 element; } }
        required binary prefix_sha256 (STRING);
        required binary run_id (STRING);
      }
      """,
      "doc_id STRING, block INT, token_start INT, token_count INT, token_ids ARRAY<INT>,"
          + " prefix_sha256 STRING, run_id STRING"),

  /**
   * One row per document, layer and block: {@code key} and {@code value} are little-endian,
   * C-contiguous {@code [token][kv_head][head_dim]}, keys after RoPE, with their bytes in the order
   * that {@code encoding} says ({@link KvCells} reads them). Only fp8 has scales, little-endian
   * fp32 {@code [token][kv_head]}. {@code crc32c} covers key, value and scales, decoded, 0 ..
   * 2^32-1.
   */
  KV(
      "kv",
      """
      message kv {
        required binary doc_id (STRING);
        required int32 layer;
        required int32 block;
        required int32 token_start;
        required int32 token_count;
        required binary dtype (STRING);
        optional binary encoding (STRING);
        required binary key;
        required binary value;
        optional binary key_scale;
        optional binary value_scale;
        required int64 crc32c;
        required binary run_id (STRING);
      }
      """,
      "doc_id STRING, layer INT, block INT, token_start INT, token_count INT, dtype STRING,"
          + " encoding STRING, key BINARY, value BINARY, key_scale BINARY, value_scale BINARY,"
          + " crc32c BIGINT, run_id STRING"),

  /** One row per document and asked-for position; see {@link io.sparsefill.job.LogitsRow}. */
  LOGITS(
      "logits",
      """
      message logits {
        required binary doc_id (STRING);
        required int32 position;
        optional group top (LIST) {
          repeated group list {
            required group element {
              required int32 id;
              required binary token (STRING);
              required double logprob;
            }
          }
        }
        optional binary logits;
        optional double nll;
        optional double perplexity;
        optional group token_nll (LIST) { repeated group list { required float element; } }
        optional group hidden (LIST) { repeated group list { required float element; } }
        required binary run_id (STRING);
      }
      """,
      "doc_id STRING, position INT, top ARRAY<STRUCT<id: INT, token: STRING, logprob: DOUBLE>>,"
          + " logits BINARY, nll DOUBLE, perplexity DOUBLE, token_nll ARRAY<FLOAT>,"
          + " hidden ARRAY<FLOAT>, run_id STRING"),

  /** One row per document that was asked; see {@link io.sparsefill.job.AnswerRow}. */
  ANSWERS(
      "answers",
      """
      message answers {
        required binary doc_id (STRING);
        required binary question (STRING);
        required binary answer (STRING);
        required group token_ids (LIST) { repeated group list { required int32 element; } }
        required group logprobs (LIST) { repeated group list { required double element; } }
        required binary finish_reason (STRING);
        required binary run_id (STRING);
      }
      """,
      "doc_id STRING, question STRING, answer STRING, token_ids ARRAY<INT>,"
          + " logprobs ARRAY<DOUBLE>, finish_reason STRING, run_id STRING");

  /** The tables whose rows count only with a row of {@link #DOCUMENTS}. */
  static final List<Table> BY_DOCUMENT = List.of(TOKENS, KV, LOGITS, ANSWERS);

  private final String folder;
  private final MessageType parquet;
  private final StructType spark;

  Table(String folder, String parquet, String ddl) {
    this.folder = folder;
    this.parquet = MessageTypeParser.parseMessageType(parquet);
    this.spark = StructType.fromDDL(ddl);
  }

  /** The table's name and the name of its folder under the output folder. */
  @JsonValue
  public String folder() {
    return folder;
  }

  /** The schema of the table's Parquet files. */
  public MessageType parquet() {
    return parquet;
  }

  /** The schema that Spark reads from the files (every column nullable, as for any file source). */
  public StructType spark() {
    return spark;
  }

  /** Some columns of the table, in the table's order. */
  MessageType columns(String... names) {
    return new MessageType(
        folder,
        parquet.getFields().stream()
            .filter(field -> Arrays.asList(names).contains(field.getName()))
            .toList());
  }

  /**
   * Reads a folder name.
   *
   * @throws IllegalArgumentException naming the tables
   */
  @JsonCreator
  public static Table of(String folder) {
    for (Table table : values()) {
      if (table.folder.equals(folder)) {
        return table;
      }
    }
    throw new IllegalArgumentException(
        "Unknown table '" + folder + "': there are documents, tokens, kv, logits and answers");
  }
}
