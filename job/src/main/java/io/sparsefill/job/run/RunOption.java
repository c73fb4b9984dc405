package io.sparsefill.job.run;

import java.util.Locale;
import java.util.Optional;

/**
 * Every option of a run: the one definition from which the command line, the Spark configuration
 * keys and README's table are made. The constant's name in kebab case is the option's ({@code
 * MAX_TOKENS}: {@code --max-tokens} and {@code spark.sparsefill.max-tokens}).
 */
public enum RunOption {
  MODEL(
      "DIR",
      null,
      "Hugging Face model folder (config.json, *.safetensors, tokenizer.json), readable on every"
          + " executor"),
  INPUT("PATH", null, "file or folder of documents, or a table's name with --format table"),
  FORMAT("FORMAT", "auto", "text, jsonl, parquet or table; auto decides by the files' names"),
  ID_COLUMN(
      "NAME",
      "doc_id",
      "column of the document's name; where doc_id is absent, made from file and position"),
  TEXT_COLUMN("NAME", "text", "column of the text"),
  TOKENS_COLUMN("NAME", "token_ids", "column of given token ids (array of int), used as they are"),
  QUESTION_COLUMN("NAME", null, "column of a question about the document, for --emit answer"),
  LIMIT("N", null, "take only the first N documents of the input"),
  OUTPUT("DIR", null, "output folder; an earlier run of the same options in it is continued"),
  BREAK_LOCK(
      "RUN",
      null,
      "take --output over from this run, if it shows no sign of life for 30 s; the message that refuses"
          + " --output names it"),
  RETAIN(
      "WHAT",
      "all",
      "what the output keeps after a run: all, newest (superseded contents go), or listed (so do documents"
          + " that the input has no more)"),
  GRACE_HOURS(
      "H",
      "24",
      "how long readers may go on with what --retain has taken out; it is deleted later"),
  EMIT("LIST", "kv,logits", "comma-separated: kv, logits, nll, token-nll, hidden, answer"),
  ATTENTION(
      "KIND",
      "minference",
      "minference, dense or a baseline, such as a-shape:1024:4096; doctor --attention lists all"),
  PATTERNS("FILE", null, "MInference pattern file (JSON) with a pattern for every head"),
  BACKEND(
      "NAME",
      "auto",
      "cpu, cuda, or auto: what the output folder's documents were made by, else the GPU where executors have one"),
  REQUIRE_GPU("", "false", "end before the first document unless there is a GPU for every task"),
  WEIGHTS("MODE", "resident", "resident, or stream: layer by layer from the checkpoint"),
  ROPE_FREQUENCIES(
      "TYPE",
      "fp32",
      "precision of the rotary frequencies: fp32, as serving engines and from_pretrained keep them, or bf16, as"
          + " in a model that was cast as a whole"),
  KV_DTYPE(
      "TYPE",
      "bf16",
      "element type of stored keys and values: bf16, fp16, fp32 or fp8 (e4m3 with a scale for each token and head)"),
  BLOCK_TOKENS("N", "256", "tokens in one row of the kv table"),
  KV_COMPRESSION(
      "CODEC",
      "zstd",
      "compression of the kv table: zstd (byte planes apart), or none, which is uncompressed"),
  WRITER_THREADS(
      "N",
      "auto",
      "threads of a task that write the kv table, each into files of its own; auto: on a GPU the"
          + " task's cores, at most 8, on the CPU 1"),
  LAST_POSITIONS("N", "1", "how many of the last positions get a row of logits"),
  TOP_K("K", "20", "how many of the most likely next tokens a row of logits names"),
  MAX_NEW_TOKENS("N", "64", "how many tokens an answer may have"),
  FULL_LOGITS("", "false", "store the whole row of logits too (fp32)"),
  MAX_TOKENS(
      "N",
      "0",
      "longest document in tokens, with --emit answer including question and answer; 0 is the model's"
          + " max_position_embeddings"),
  ON_TOO_LONG(
      "POLICY",
      "fail",
      "a longer document is an error row (fail), cut (truncate) or left out (skip)"),
  BOS("POLICY", "auto", "begin-of-text token: auto (as the model's files say), always or never"),
  WAVE_SECONDS("N", "300", "predicted seconds of one wave; finished waves survive a crash"),
  MAX_ERROR_RATE(
      "RATE",
      "0.05",
      "share of failed documents (0 to 1) above which the run ends with exit code 4"),
  STRICT("", "false", "exit code 3 when any document failed"),
  DRY_RUN("", "false", "only say what would be done, as plan does"),
  MASTER(
      "URL", null, "Spark master of an embedded session; local[*] if none; not with spark-submit");

  /** What every configuration key begins with. */
  public static final String KEY_PREFIX = "spark.sparsefill.";

  private final String valueName;
  private final String defaultValue;
  private final String help;

  RunOption(String valueName, String defaultValue, String help) {
    this.valueName = valueName;
    this.defaultValue = defaultValue;
    this.help = help;
  }

  /** The bare name, {@code max-tokens}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** The option on the command line, {@code --max-tokens}. */
  public String flag() {
    return "--" + label();
  }

  /** The Spark configuration key, {@code spark.sparsefill.max-tokens}. */
  public String key() {
    return KEY_PREFIX + label();
  }

  /** How help names the value; empty for a switch. */
  public String valueName() {
    return valueName;
  }

  /** The value when it is given nowhere; empty when there is none. */
  public Optional<String> defaultValue() {
    return Optional.ofNullable(defaultValue);
  }

  /** One sentence for help and README. */
  public String help() {
    return help;
  }

  /** Whether the option needs no value: {@code --strict} means {@code --strict=true}. */
  public boolean isSwitch() {
    return valueName.isEmpty();
  }

  /** The option of a configuration key. */
  public static Optional<RunOption> ofKey(String key) {
    for (RunOption option : values()) {
      if (option.key().equals(key)) {
        return Optional.of(option);
      }
    }
    return Optional.empty();
  }
}
