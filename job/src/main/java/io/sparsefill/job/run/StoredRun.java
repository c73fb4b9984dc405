package io.sparsefill.job.run;

import io.sparsefill.job.output.Identity;
import io.sparsefill.udf.EngineOptions;
import java.util.Map;
import java.util.Objects;

/** The engine of a run that is stored, to pre-fill its documents again. */
public final class StoredRun {
  private StoredRun() {}

  /**
   * Options of an engine that computes what the stored run computed.
   *
   * @param stored identity of the run
   * @param values model folder, and pattern file if the run had one
   * @throws UsageException if model or patterns are not those of the stored run
   */
  public static EngineOptions engine(Identity stored, OptionValues values, int threads) {
    Map<String, String> fields = stored.fields();
    RunOptions options = RunOptions.ofStored(stored, values);
    CheckedModel model = CheckedModel.open(options);
    Map<String, String> now = model.identity(options).fields();
    for (String name :
        new String[] {
          "model_weights_sha256",
          "model_config_sha256",
          "model_tokenizer_sha256",
          "attention_digest"
        }) {
      if (!Objects.equals(fields.get(name), now.get(name))) {
        String which =
            name.equals("attention_digest")
                ? "give its pattern file as --patterns"
                : "give its model";
        throw new UsageException(
            "Cannot pre-fill again with model "
                + model.folder()
                + ": "
                + name
                + " is "
                + now.get(name)
                + ", the stored run has "
                + fields.get(name)
                + "; "
                + which);
      }
    }
    return model.engine(options, threads);
  }
}
