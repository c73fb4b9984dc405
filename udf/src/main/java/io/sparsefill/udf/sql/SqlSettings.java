package io.sparsefill.udf.sql;

import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.attention.AttentionPlan;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.EngineOptions;
import io.sparsefill.udf.model.RopeFrequencies;
import io.sparsefill.udf.text.BosPolicy;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;
import org.apache.spark.sql.internal.SQLConf;

/**
 * What the functions go by: the keys {@code spark.sparsefill.*} of the query's session, with the
 * meanings and defaults that they have for a run.
 *
 * @param model what must be the same for an engine to be shared
 * @param maxTokens longest text in tokens, 0 for the model's own bound
 * @param onTooLong what becomes of a longer one
 * @param topK entries of {@code top}
 */
record SqlSettings(Model model, int maxTokens, TooLong onTooLong, int topK) {
  static final String PREFIX = "spark.sparsefill.";

  /** Whose value {@code true} refuses what would not run on a GPU. */
  static final String REQUIRE_GPU = PREFIX + "require-gpu";

  /**
   * The model and how it runs.
   *
   * @param folder of the checkpoint
   * @param patterns MInference pattern file, or null
   * @param threads CPU threads of one pre-fill
   */
  record Model(
      String folder,
      BosPolicy bos,
      String backend,
      String weights,
      String attention,
      String patterns,
      RopeFrequencies ropeFrequencies,
      int threads) {
    /**
     * Options of the engine that gives one kind of result. Logits and hidden state of the last
     * token come from the same engine; log-likelihoods of all tokens cost more, and come from one
     * of their own, which shares the weights.
     */
    EngineOptions engine(Emit emit) {
      return new EngineOptions(
          folder,
          backend,
          weights,
          attention,
          patterns == null ? null : patternsJson(),
          emit == Emit.NLL ? Set.of(Emit.NLL) : Set.of(Emit.LOGITS, Emit.HIDDEN),
          1,
          ropeFrequencies,
          KvDtype.BF16, // No keys and values leave, so neither this nor the size of blocks matters.
          256,
          threads);
    }

    private String patternsJson() {
      try {
        return Files.readString(Path.of(patterns));
      } catch (IOException e) {
        throw new UncheckedIOException(
            "Cannot read the pattern file %s (%spatterns): %s; it must be readable on every executor"
                .formatted(patterns, PREFIX, e),
            e);
      }
    }
  }

  /** Values of {@code spark.sparsefill.on-too-long}. */
  enum TooLong {
    /** The query fails. */
    FAIL,
    /** The first {@code max-tokens} are pre-filled. */
    TRUNCATE,
    /** The result is null. */
    SKIP
  }

  /**
   * Those of the query that the calling task belongs to, or of the session on the driver.
   *
   * @throws IllegalArgumentException naming a key whose value is missing or not accepted
   */
  static SqlSettings current() {
    int threads = SparkEnv.get().conf().getInt("spark.task.cpus", 1); // as in a run
    return of(keys(), threads);
  }

  /**
   * Whether the query that the calling task belongs to, or the session on the driver, may only
   * compute on a GPU.
   */
  static boolean requiresGpu() {
    return new SettingReader(keys()).isOn("require-gpu");
  }

  /**
   * A key's value, or null: the session's goes before the application's. The session is that of the
   * query which the calling task belongs to, or the driver's.
   */
  static UnaryOperator<String> keys() {
    SQLConf session = SQLConf.get();
    SparkConf application = SparkEnv.get().conf();
    return key -> session.getConfString(key, application.get(key, null));
  }

  /**
   * Reads them.
   *
   * @param conf a key's value, or null
   * @throws IllegalArgumentException naming a key whose value is missing or not accepted
   */
  static SqlSettings of(UnaryOperator<String> conf, int threads) {
    SettingReader read = new SettingReader(conf);
    Model model =
        new Model(
            read.required("model"),
            read.value("bos", "auto", BosPolicy::of),
            backend(read),
            read.text("weights", "resident"),
            read.value("attention", "minference", SqlSettings::attention),
            read.text("patterns", null),
            read.value("rope-frequencies", "fp32", RopeFrequencies::of),
            threads);
    return new SqlSettings(
        model,
        read.integer("max-tokens", "0", 0),
        read.word("on-too-long", TooLong.FAIL),
        read.integer("top-k", "20", 1));
  }

  /** Which document an engine sees first changes from query to query. */
  private static String attention(String attention) {
    if (AttentionPlan.keepsLines(attention)) {
      throw new IllegalArgumentException(
          "its lines are those of the first document that an engine sees, so a row's value would depend on the order of rows");
    }
    return attention;
  }

  /** Where a GPU is required there is no choice, and an engine that finds none does not open. */
  private static String backend(SettingReader read) {
    String backend = read.text("backend", "auto");
    if (!read.isOn("require-gpu")) {
      return backend;
    }
    if (backend.equals("cpu")) {
      throw new IllegalArgumentException(
          "Cannot compute with %srequire-gpu=true and %sbackend=cpu: they exclude each other; set one only"
              .formatted(PREFIX, PREFIX));
    }
    return "cuda";
  }
}
