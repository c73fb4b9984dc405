package io.sparsefill.job.run;

import io.sparsefill.job.output.Identity;
import io.sparsefill.job.output.Manifest;
import io.sparsefill.udf.EngineOptions;
import io.sparsefill.udf.model.ModelIdentity;
import io.sparsefill.udf.model.RopeFrequencies;
import io.sparsefill.udf.text.BosPolicy;
import java.util.List;
import java.util.Map;

/**
 * The runs that an output folder holds, to pre-fill their documents again. Backend, model folder
 * and pattern file are those of the newest run unless they are given.
 */
public final class StoredRun {
  private final Map<String, String> identity;
  private final Map<String, String> settings;
  private final OptionValues values;

  /**
   * Of a folder's manifest.
   *
   * @param values model folder, pattern file, backend, weights
   */
  public StoredRun(Manifest manifest, OptionValues values) {
    List<Manifest.Run> runs = manifest.runs();
    this.identity = manifest.identity();
    this.settings = runs.isEmpty() ? Map.of() : runs.get(runs.size() - 1).settings();
    this.values = values;
  }

  /** The model's folder; null for an output that holds no run and none given. */
  public String model() {
    String given = values.text(RunOption.MODEL);
    return given == null ? settings.get(CheckedModel.MODEL) : given;
  }

  /** What computed the documents, cpu or cuda; auto for an output that holds no run. */
  public String backend() {
    return identity.getOrDefault(CheckedModel.BACKEND, "auto");
  }

  /**
   * Options of an engine that computes what the stored runs computed.
   *
   * @throws UsageException if model or patterns are not there any more, or are not those of the
   *     stored runs
   */
  public EngineOptions engine(int threads) {
    if (model() == null) {
      throw new UsageException("Cannot pre-fill again: no model is recorded; give --model");
    }
    String given = values.text(RunOption.PATTERNS);
    RunOptions.Compute compute =
        RunOptions.compute(
            identity.get("attention"),
            given == null ? settings.get(CheckedModel.PATTERNS) : given,
            RopeFrequencies.of(identity.get("rope_frequencies")),
            values);
    String backend = compute.backend().equals("auto") ? backend() : compute.backend();
    CheckedModel model = CheckedModel.open(model(), compute, BosPolicy.AUTO);
    ModelIdentity files = model.files();
    mustAgree("model_weights_sha256", files.weightsSha256(), "the model as --model");
    mustAgree("model_config_sha256", files.configSha256(), "the model as --model");
    mustAgree("attention_digest", model.attention().digest(), "the pattern file as --patterns");
    Identity stored = new Identity(identity);
    return new EngineOptions(
        model.folder().toString(),
        backend,
        compute.weights(),
        compute.attention(),
        model.patternsJson(),
        stored.emit(),
        stored.lastPositions(),
        compute.ropeFrequencies(),
        stored.kvDtype(),
        stored.blockTokens(),
        threads);
  }

  private void mustAgree(String name, String now, String toGive) {
    if (!now.equals(identity.get(name))) {
      throw new UsageException(
          "Cannot pre-fill again with model %s: %s is %s, the stored documents have %s; give %s that they were made with"
              .formatted(model(), name, now, identity.get(name), toGive));
    }
  }
}
