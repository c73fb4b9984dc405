package io.sparsefill.job.output;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.udf.Emit;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The oracle for the fingerprint is SHA-256 over the JSON written out by hand. */
class IdentityTest {
  private static final String JSON =
      "{\"block_tokens\":\"8\",\"emit\":\"kv,logits,nll,token-nll,hidden,answer\",\"head_dim\":\"4\","
          + "\"kv_dtype\":\"bf16\",\"kv_heads\":\"2\",\"last_positions\":\"2\",\"layers\":\"2\","
          + "\"max_new_tokens\":\"4\",\"rope\":\"theta 10000, half_split\"}";

  @Test
  void theFingerprintIsTheHashOfTheSortedCompactJson() throws Exception {
    Identity identity = new Identity(Outputs.identity());
    assertThat(identity.json()).isEqualTo(JSON);
    byte[] hash =
        MessageDigest.getInstance("SHA-256").digest(JSON.getBytes(StandardCharsets.UTF_8));
    assertThat(identity.fingerprint()).isEqualTo(HexFormat.of().formatHex(hash));
  }

  @Test
  void theOrderOfFieldsDoesNotMatterButEveryValueDoes() {
    Map<String, String> reversed = new LinkedHashMap<>();
    Outputs.identity().keySet().stream()
        .sorted(java.util.Comparator.reverseOrder())
        .forEach(name -> reversed.put(name, Outputs.identity().get(name)));
    String fingerprint = new Identity(Outputs.identity()).fingerprint();
    assertThat(new Identity(reversed).fingerprint()).isEqualTo(fingerprint);
    reversed.put("rope", "theta 500000, half_split");
    assertThat(new Identity(reversed).fingerprint()).isNotEqualTo(fingerprint);
  }

  @Test
  void valuesAreRead() {
    Identity identity = new Identity(Outputs.identity());
    assertThat(identity.tokenBytes()).isEqualTo(2 * 4 * 2);
    assertThat(identity.emit()).containsExactlyInAnyOrder(Emit.values());
  }

  @Test
  void aMissingOrBadValueIsNamed() {
    Map<String, String> identity = Outputs.identity();
    identity.remove(Identity.LAYERS);
    assertThatThrownBy(() -> new Identity(identity)).hasMessageContaining("'layers' is missing");
    identity.put(Identity.LAYERS, "two");
    assertThatThrownBy(() -> new Identity(identity)).hasMessageContaining("'two', not a number");
    identity.put(Identity.LAYERS, "0");
    assertThatThrownBy(() -> new Identity(identity)).hasMessageContaining("at least 1");
    identity.put(Identity.LAYERS, "1");
    identity.put(Identity.KV_DTYPE, "int4");
    assertThatThrownBy(() -> new Identity(identity)).hasMessageContaining("accepted are bf16");
  }
}
