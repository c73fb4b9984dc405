package io.sparsefill.job.export;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;

/**
 * LMCache's {@code CacheIdentity}, version 1: what besides model name and tokens must be equal for
 * a chunk to be reused. Its digest goes into every chunk's name, so that a request finds only
 * chunks that were stored under the identity which the request names.
 *
 * @param modelRevision digest of config.json
 * @param tokenizerRevision digest of the tokenizer
 * @param weightRevision digest of the weights
 * @param topology how the model is cut over devices, such as {@code tp1}
 * @param backend what computed the cache
 * @param kvDtype element type by PyTorch's name
 * @param dropAlgorithm name of the sparse attention; null where attention was dense
 * @param dropPolicy digest of its parameters; null exactly when {@code dropAlgorithm} is
 */
record LmcacheIdentity(
    String modelRevision,
    String tokenizerRevision,
    String weightRevision,
    String topology,
    String backend,
    String kvDtype,
    String dropAlgorithm,
    String dropPolicy) {
  private static final String DOMAIN = "lmcache-cache-identity-v1\0";
  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(JsonWriteFeature.ESCAPE_NON_ASCII)
          .disable(JsonWriteFeature.WRITE_HEX_UPPER_CASE)
          .build();

  /** {@code v1:} and the hex SHA-256 of the canonical JSON: names in order, no spaces. */
  String revision() {
    byte[] json = json().getBytes(StandardCharsets.US_ASCII);
    return "v1:" + HexFormat.of().formatHex(Sha256Tokens.sha256().digest(json));
  }

  /** The name of a chunk with this hash under this identity. */
  byte[] bind(byte[] chunkHash) {
    MessageDigest digest = Sha256Tokens.sha256();
    digest.update((DOMAIN + revision() + "\0").getBytes(StandardCharsets.US_ASCII));
    return digest.digest(chunkHash);
  }

  /** What a request says to find these chunks: LMCache's request settings, by name. */
  Map<String, String> requestConfigs() {
    Map<String, String> configs = new TreeMap<>();
    for (Map<String, String> part : parts().values()) {
      part.forEach(
          (name, value) -> {
            if (value != null) {
              configs.put("lmcache.cache_identity." + name, value);
            }
          });
    }
    return configs;
  }

  /** The canonical JSON; fields that are not set are null in it. */
  String json() {
    try {
      return JSON.writeValueAsString(parts());
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("Cannot write LMCache's identity as JSON", e);
    }
  }

  private Map<String, Map<String, String>> parts() {
    Map<String, String> base = new TreeMap<>();
    base.put("model_revision", modelRevision);
    base.put("tokenizer_revision", tokenizerRevision);
    base.put("weight_revision", weightRevision);
    base.put("adapter_revision", null);
    Map<String, String> representation = new TreeMap<>();
    representation.put("topology_fingerprint", topology);
    representation.put("backend_revision", backend);
    representation.put("kv_dtype", kvDtype);
    representation.put("quantization_revision", null);
    representation.put("compression_revision", null);
    representation.put("drop_algorithm_id", dropAlgorithm);
    representation.put("drop_policy_revision", dropPolicy);
    return new TreeMap<>(Map.of("base", base, "representation", representation));
  }
}
