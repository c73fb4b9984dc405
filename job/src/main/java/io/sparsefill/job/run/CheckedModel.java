package io.sparsefill.job.run;

import io.sparsefill.job.OnTooLong;
import io.sparsefill.job.TokenizingOptions;
import io.sparsefill.job.output.Identity;
import io.sparsefill.kernels.attention.AttentionPlan;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.Engine;
import io.sparsefill.udf.EngineOptions;
import io.sparsefill.udf.model.Checkpoint;
import io.sparsefill.udf.model.EndTokens;
import io.sparsefill.udf.model.ModelConfig;
import io.sparsefill.udf.model.ModelIdentity;
import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.TextTokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * The model of a run, read far enough on the driver to know that executors can use it:
 * configuration, names and shapes of all tensors, tokenizer, attention patterns.
 *
 * @param folder the checkpoint
 * @param config its shape
 * @param bos what was decided about the begin-of-text token
 * @param patternsJson content of the pattern file, or null
 * @param attention a pattern for every head
 */
public record CheckedModel(
    Path folder, ModelConfig config, String bos, String patternsJson, AttentionPlan attention) {
  /** Name of the model folder among a run's settings. */
  static final String MODEL = "model";

  /** Name of the backend in a run's identity: cpu or cuda, never auto. */
  static final String BACKEND = "backend";

  /** Name of the pattern file among a run's settings. */
  static final String PATTERNS = "patterns";

  /**
   * Reads and checks.
   *
   * @throws UsageException saying what cannot be used and why
   */
  public static CheckedModel open(String model, RunOptions.Compute compute, BosPolicy bosPolicy) {
    Path folder = localPath(model);
    if (!Files.isDirectory(folder)) {
      throw new UsageException(
          "Cannot read model "
              + folder
              + ": no such folder; --model is a Hugging Face model folder on a local or mounted path");
    }
    ModelConfig config;
    String bos;
    try {
      config = ModelConfig.read(folder);
      Checkpoint.open(folder); // checks every tensor's name and shape
      bos = bosDecision(folder, bosPolicy);
    } catch (IllegalArgumentException | UncheckedIOException e) {
      throw new UsageException("Cannot use model " + folder + ": " + e.getMessage(), e);
    }
    try {
      Engine.checkBackend(compute.backend());
      String patterns = patterns(compute.patterns());
      AttentionPlan attention =
          AttentionPlan.parse(compute.attention(), patterns, config.layers(), config.heads());
      return new CheckedModel(folder, config, bos, patterns, attention);
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
  }

  /** A path, also of a {@code file:} URI. */
  private static Path localPath(String model) {
    return model.startsWith("file:") ? Path.of(URI.create(model)) : Path.of(model);
  }

  private static String bosDecision(Path folder, BosPolicy bos) {
    try (TextTokenizer tokenizer = TextTokenizer.open(folder, bos)) {
      return tokenizer.description();
    }
  }

  private static String patterns(String file) {
    try {
      return file == null ? null : Files.readString(Path.of(file));
    } catch (IOException e) {
      throw new UsageException("Cannot read pattern file " + file + ": " + e, e);
    }
  }

  /** What every executor opens its engine with. */
  public EngineOptions engine(RunOptions options, int threads) {
    return new EngineOptions(
        folder.toString(),
        options.compute().backend(),
        options.compute().weights(),
        options.compute().attention(),
        patternsJson,
        options.output().emit(),
        options.output().lastPositions(),
        options.compute().ropeFrequencies(),
        options.output().kvDtype(),
        options.output().blockTokens(),
        threads);
  }

  /**
   * Checksums of the model's files; reads all weights.
   *
   * @throws UsageException if a file cannot be read
   */
  public ModelIdentity files() {
    try {
      return Checkpoint.identity(folder);
    } catch (UncheckedIOException e) {
      throw new UsageException("Cannot read model " + folder + ": " + e.getMessage(), e);
    }
  }

  /**
   * All that decides the numbers of a run, for its fingerprint.
   *
   * @param options whose backend is decided, see {@link RunBackend}
   */
  Identity identity(RunOptions options) {
    ModelIdentity files = files();
    RunOptions.Output output = options.output();
    Map<String, String> fields = new TreeMap<>();
    fields.put("model_weights_sha256", files.weightsSha256());
    fields.put("model_config_sha256", files.configSha256());
    fields.put("model_tokenizer_sha256", files.tokenizerSha256());
    fields.put("model_type", config.modelType());
    fields.put(Identity.LAYERS, Integer.toString(config.layers()));
    fields.put("heads", Integer.toString(config.heads()));
    fields.put(Identity.KV_HEADS, Integer.toString(config.kvHeads()));
    fields.put(Identity.HEAD_DIM, Integer.toString(config.headDim()));
    fields.put("vocab", Integer.toString(config.vocab()));
    fields.put("rope_theta", Double.toString(config.rope().theta()));
    fields.put("rope_scaling", config.rope().scaling().toString());
    fields.put("rope_pairing", config.rope().pairing());
    fields.put("rotary_dim", Integer.toString(config.rope().rotaryDim()));
    fields.put("rope_frequencies", options.compute().ropeFrequencies().label());
    fields.put(BACKEND, options.compute().backend());
    fields.put("bos", bos);
    fields.put("attention", attention.name());
    fields.put("attention_digest", attention.digest());
    fields.put(
        Identity.EMIT,
        output.emit().stream().map(Emit::label).sorted().collect(Collectors.joining(",")));
    fields.put(Identity.KV_DTYPE, output.kvDtype().label());
    fields.put(Identity.BLOCK_TOKENS, Integer.toString(output.blockTokens()));
    fields.put(Identity.LAST_POSITIONS, Integer.toString(output.lastPositions()));
    fields.put("top_k", Integer.toString(output.topK()));
    fields.put("full_logits", Boolean.toString(output.fullLogits()));
    // A cut decides what a document's tokens are; under the other policies a document is whole or
    // has no numbers.
    boolean cuts = options.tokens().onTooLong() == OnTooLong.TRUNCATE;
    fields.put("truncated_to", cuts ? Integer.toString(maxTokens(options)) : "never");
    if (output.emit().contains(Emit.ANSWER)) {
      fields.put(Identity.MAX_NEW_TOKENS, Integer.toString(options.tokens().maxNewTokens()));
      fields.put("answer_ends", ends().toString());
    }
    return new Identity(fields);
  }

  /** How questions are answered; null when none is asked. */
  Answering answering(RunOptions options) {
    int maxNewTokens = options.tokens().maxNewTokens();
    return maxNewTokens == 0 ? null : new Answering(maxNewTokens, ends());
  }

  /** Tokens by which the model ends an answer; runs without answers do not need them. */
  private Set<Integer> ends() {
    try {
      return EndTokens.read(folder);
    } catch (IllegalArgumentException | UncheckedIOException e) {
      throw new UsageException(
          "Cannot answer questions by model " + folder + ": " + e.getMessage(), e);
    }
  }

  /** Where a run comes from, for the manifest; nothing that decides its numbers. */
  Map<String, String> settings(RunOptions options, String application) {
    Map<String, String> settings = new TreeMap<>();
    settings.put(MODEL, folder.toAbsolutePath().toString());
    if (options.compute().patterns() != null) {
      settings.put(PATTERNS, Path.of(options.compute().patterns()).toAbsolutePath().toString());
    }
    settings.put("input", options.input().input());
    settings.put("spark_application", application);
    return settings;
  }

  /** How executors make tokens. */
  TokenizingOptions tokenizing(RunOptions options) {
    RunOptions.Tokens tokens = options.tokens();
    return new TokenizingOptions(
        folder.toString(),
        tokens.bos(),
        maxTokens(options),
        tokens.onTooLong(),
        config.vocab(),
        tokens.maxNewTokens());
  }

  /** Tokens of the longest document: {@code --max-tokens}, or the model's own bound. */
  private int maxTokens(RunOptions options) {
    int given = options.tokens().maxTokens();
    return given == 0 ? config.maxPositions() : given;
  }
}
