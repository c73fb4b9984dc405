package io.sparsefill.job.export;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HexFormat;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Oracle: Python's json.dumps(sort_keys, no spaces, ASCII) and hashlib. */
class LmcacheIdentityTest {
  private static final LmcacheIdentity SPARSE =
      new LmcacheIdentity("cfg", "tok", "w", "tp1", "sparsefill", "bfloat16", "minference", "dé");

  @Test
  void revisionIsTheDigestOfPythonsCanonicalJson() {
    assertThat(SPARSE.json())
        .isEqualTo(
            """
            {"base":{"adapter_revision":null,"model_revision":"cfg","tokenizer_revision":"tok",\
            "weight_revision":"w"},"representation":{"backend_revision":"sparsefill",\
            "compression_revision":null,"drop_algorithm_id":"minference",\
            "drop_policy_revision":"d\\u00e9","kv_dtype":"bfloat16","quantization_revision":null,\
            "topology_fingerprint":"tp1"}}""");
    assertThat(SPARSE.revision())
        .isEqualTo("v1:9243a13d00154419a20787a8a2b1cbe27bf4e0efd70a6bdede5b8fe252a3e18d");
  }

  @Test
  void boundHashIsThatOfHashlib() {
    byte[] chunk = new byte[32];
    for (int i = 0; i < chunk.length; i++) {
      chunk[i] = (byte) i;
    }
    assertThat(HexFormat.of().formatHex(SPARSE.bind(chunk)))
        .isEqualTo("e0ed7fe389682bd217df0970dd8b75876163ff42675d0973f9d993c5b4a72d5f");
  }

  @Test
  void requestsNameWhatIsSetOnly() {
    LmcacheIdentity dense =
        new LmcacheIdentity("cfg", "tok", "w", "tp1", "sparsefill", "float16", null, null);
    assertThat(dense.requestConfigs())
        .isEqualTo(
            Map.of(
                "lmcache.cache_identity.model_revision", "cfg",
                "lmcache.cache_identity.tokenizer_revision", "tok",
                "lmcache.cache_identity.weight_revision", "w",
                "lmcache.cache_identity.topology_fingerprint", "tp1",
                "lmcache.cache_identity.backend_revision", "sparsefill",
                "lmcache.cache_identity.kv_dtype", "float16"));
  }
}
