package io.sparsefill.job.eval;

import io.sparsefill.job.OnTooLong;
import io.sparsefill.job.eval.task.Haystack;
import io.sparsefill.job.run.CheckedModel;
import io.sparsefill.job.run.RunOptions;
import io.sparsefill.job.run.UsageException;
import io.sparsefill.udf.model.ModelIdentity;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * What decides the numbers of an evaluation's rows, beside what each row says itself (task, length,
 * mode and its patterns). Tasks, lengths, samples and modes may grow from one command to the next.
 */
final class EvalSettings {
  static final String BACKEND = "backend";

  private static final String POSITIONS = "fidelity_positions";
  private static final String TRUNCATED_TO = "fidelity_truncated_to";
  private static final Set<String> OF_FIDELITY = Set.of(POSITIONS, TRUNCATED_TO);

  private EvalSettings() {}

  /**
   * The settings of a command.
   *
   * @param options whose backend is decided
   * @param haystack texts, or null
   */
  static Map<String, String> of(
      EvalOptions options, CheckedModel model, ModelIdentity files, Haystack haystack) {
    Map<String, String> settings = new TreeMap<>();
    settings.put("model_weights_sha256", files.weightsSha256());
    settings.put("model_config_sha256", files.configSha256());
    settings.put("model_tokenizer_sha256", files.tokenizerSha256());
    settings.put("bos", model.bos());
    settings.put("rope_frequencies", options.compute().ropeFrequencies().label());
    settings.put(BACKEND, options.compute().backend());
    settings.put("seed", Long.toString(options.seed()));
    settings.put("wording", options.wording().label());
    settings.put("depths", options.depths().toString());
    settings.put("questions", Integer.toString(options.questions()));
    settings.put("texts_sha256", haystack == null ? "none" : sha256(haystack));
    if (options.fidelity() != null) {
      RunOptions.Tokens tokens = options.fidelity().tokens();
      boolean cuts = tokens.onTooLong() == OnTooLong.TRUNCATE;
      int most = tokens.maxTokens() == 0 ? model.config().maxPositions() : tokens.maxTokens();
      settings.put(POSITIONS, Integer.toString(options.fidelity().positions()));
      settings.put(TRUNCATED_TO, cuts ? Integer.toString(most) : "never");
    }
    return settings;
  }

  /**
   * Refuses a folder whose rows are of other settings.
   *
   * @throws UsageException naming each that differs
   */
  static void refuseOthers(Map<String, String> stored, Map<String, String> now, String output) {
    if (stored.isEmpty()) {
      return;
    }
    List<String> differences = new ArrayList<>();
    for (Map.Entry<String, String> setting : now.entrySet()) {
      String before = stored.getOrDefault(setting.getKey(), "missing");
      if (OF_FIDELITY.contains(setting.getKey()) && before.equals("missing")) {
        continue; // it is compared for the first time
      }
      if (!before.equals(setting.getValue())) {
        differences.add("%s is %s, now %s".formatted(setting.getKey(), before, setting.getValue()));
      }
    }
    if (!differences.isEmpty()) {
      throw new UsageException(
          "Cannot go on in %s: its rows are of other settings (%s); give those, or choose another --output"
              .formatted(output, String.join("; ", differences)));
    }
  }

  private static String sha256(Haystack haystack) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      for (Haystack.Text text : haystack.texts()) {
        digest.update((text.name() + "\n").getBytes(StandardCharsets.UTF_8));
        digest.update(text.content().getBytes(StandardCharsets.UTF_8));
        digest.update((byte) 0xff); // ends a text; no UTF-8 holds this byte
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every Java platform has SHA-256", e);
    }
  }
}
