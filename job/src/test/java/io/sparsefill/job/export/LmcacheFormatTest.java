package io.sparsefill.job.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.job.read.CacheShape;
import io.sparsefill.kernels.KvDtype;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Oracles: a reader of KV_2LTD chunks written from its description and the cache itself; names from
 * hashes whose oracle is Python, see {@link PrefixHashTest}.
 */
class LmcacheFormatTest {
  private static final CacheFormat LMCACHE = new LmcacheFormat();

  /** 53 tokens in blocks of 20. */
  private static CacheShape shape(KvDtype dtype) {
    return new CacheShape(53, 3, 4, 4, 20, dtype);
  }

  @ParameterizedTest
  @EnumSource(names = {"BF16", "FP16", "FP32"})
  void chunksAreKeysThenValuesLayerByLayer(KvDtype dtype) throws IOException {
    CacheInMemory cache = CacheInMemory.of("d", shape(dtype));
    Map<String, byte[]> files = Exports.files(LMCACHE, cache, Map.of("chunk-size", "16"));
    List<byte[]> chunks = inOrder(files, new Blake3Tokens(), cache, 16, 48, "0x01000100", "");
    assertThat(files).hasSize(3).hasSameSizeAs(chunks);
    check(cache, chunks, 16, 0, 4);
    assertThat(cache.blocksRead).as("every block once").isEqualTo(3 * 3);
  }

  /** Chunks smaller than, larger than and across stored blocks; the last is not full. */
  @ParameterizedTest
  @ValueSource(ints = {1, 7, 20, 33, 53, 60})
  void theDocumentsEndIsAChunkWhereAskedFor(int chunkSize) throws IOException {
    CacheInMemory cache = CacheInMemory.of("d", shape(KvDtype.BF16));
    Map<String, byte[]> files =
        Exports.files(
            LMCACHE, cache, Map.of("chunk-size", "" + chunkSize, "save-unfull-chunk", "true"));
    assertThat(files).hasSize((53 + chunkSize - 1) / chunkSize);
    check(
        cache,
        inOrder(files, new Blake3Tokens(), cache, chunkSize, 53, "0x01000100", ""),
        chunkSize,
        0,
        4);
  }

  @Test
  void ranksHaveTheirHeadsAndTheirNames() throws IOException {
    CacheInMemory cache = CacheInMemory.of("d", shape(KvDtype.BF16));
    Map<String, byte[]> files =
        Exports.files(
            LMCACHE,
            cache,
            Map.of(
                "chunk-size", "16",
                "tensor-parallel", "2",
                "hash", "sha256_cbor",
                "hash-seed", "7",
                "cache-salt", "tenant"));
    assertThat(files).hasSize(2 * 3);
    PrefixHash hash = new Sha256Cbor("7");
    check(cache, inOrder(files, hash, cache, 16, 48, "0x02000200", "@tenant"), 16, 0, 2);
    check(cache, inOrder(files, hash, cache, 16, 48, "0x02010201", "@tenant"), 16, 2, 2);
  }

  /** Oracle: the chain's vectors of {@link PrefixHashTest}. */
  @Test
  void namesAreModelRankGroupAndHash() throws IOException {
    int[] tokens =
        IntStream.concat(IntStream.range(128000, 128256), IntStream.rangeClosed(1, 257)).toArray();
    CacheInMemory cache =
        new CacheInMemory("d", new CacheShape(513, 1, 1, 2, 256, KvDtype.BF16), tokens);
    assertThat(Exports.files(LMCACHE, cache, Map.of()))
        .containsOnlyKeys(
            "org-SEP-needle-2m@0x01000100@0@"
                + "b0ac63c5f13eed82de1a6d77acc2880eabe8112e5498aaa14eaff0dfdcf882c3.data",
            "org-SEP-needle-2m@0x01000100@0@"
                + "e5f78e4486ce484f76e33510f03cffee493ef490598a1dcc886ef97ec5ea6bce.data");
  }

  /** Oracle: LmcacheIdentityTest for the digest; here that it is bound and told. */
  @Test
  void theRunsIdentityIsInNamesAndInWhatRequestsCarry() throws IOException {
    CacheInMemory cache = CacheInMemory.of("d", shape(KvDtype.FP16));
    Map<String, byte[]> files =
        new TreeMap<>(
            Exports.files(LMCACHE, cache, Map.of("chunk-size", "53", "cache-identity", "run")));
    JsonNode configs = new ObjectMapper().readTree(files.remove(LmcacheFormat.REQUEST_CONFIGS));
    LmcacheIdentity identity =
        new LmcacheIdentity(
            "c0", "70", "3e", "tp1", "sparsefill-f1", "float16", "minference", "a7");
    assertThat(
            new ObjectMapper().convertValue(configs, new TypeReference<Map<String, String>>() {}))
        .isEqualTo(identity.requestConfigs());
    PrefixHash hash = new Blake3Tokens();
    byte[] bound = identity.bind(hash.next(hash.start(), cache.tokenIds(), 0, 53));
    assertThat(files)
        .containsOnlyKeys(
            "org-SEP-needle-2m@0x01000100@0@" + HexFormat.of().formatHex(bound) + ".data");
    assertThat(
            Exports.files(
                    LMCACHE, cache, Map.of("cache-identity", "run", "identity.attention", "dense"))
                .keySet())
        .as("fewer tokens than a chunk: nothing")
        .isEmpty();
  }

  @Test
  void denseAttentionHasNoDropAlgorithm() throws IOException {
    CacheInMemory cache = CacheInMemory.of("d", shape(KvDtype.FP16));
    Map<String, byte[]> files =
        Exports.files(
            LMCACHE,
            cache,
            Map.of("chunk-size", "53", "cache-identity", "run", "identity.attention", "dense"));
    assertThat(new String(files.get(LmcacheFormat.REQUEST_CONFIGS)))
        .contains("weight_revision")
        .doesNotContain("drop_algorithm_id")
        .doesNotContain("drop_policy_revision");
  }

  @Test
  void badSettingsAreRefusedByName() {
    CacheInMemory cache = CacheInMemory.of("d", shape(KvDtype.BF16));
    assertThatThrownBy(() -> Exports.files(LMCACHE, cache, Map.of("hash", "builtin")))
        .hasMessage("Cannot use --set hash=builtin: accepted are blake3, sha256_cbor");
    assertThatThrownBy(() -> Exports.files(LMCACHE, cache, Map.of("tensor-parallel", "3")))
        .hasMessageStartingWith("Cannot cut 4 KV heads over 3 ranks");
    assertThatThrownBy(() -> Exports.files(LMCACHE, cache, Map.of("cache-salt", "a@b")))
        .hasMessageStartingWith("Cannot use --set cache-salt=a@b");
    assertThatThrownBy(() -> LMCACHE.check(Exports.context(LMCACHE, cache, "a@b", Map.of())))
        .hasMessageContaining("must not contain '@'");
    assertThatThrownBy(() -> Exports.files(LMCACHE, cache, Map.of("cache-identity", "yes")))
        .hasMessage("Cannot use --set cache-identity=yes: accepted are none, run");
  }

  static List<byte[]> inOrder(
      Map<String, byte[]> files,
      PrefixHash hash,
      CacheInMemory cache,
      int chunkSize,
      int tokens,
      String rank,
      String salt) {
    List<byte[]> chunks = new ArrayList<>();
    byte[] parent = hash.start();
    for (int from = 0; from < tokens; from += chunkSize) {
      parent = hash.next(parent, cache.tokenIds(), from, Math.min(tokens, from + chunkSize));
      String name =
          "org-SEP-needle-2m@%s@0@%s%s.data"
              .formatted(rank, HexFormat.of().formatHex(parent), salt);
      assertThat(files).containsKey(name);
      chunks.add(files.get(name));
    }
    return chunks;
  }

  static void check(
      CacheInMemory cache, List<byte[]> chunks, int chunkSize, int firstHead, int heads) {
    CacheShape shape = cache.shape();
    for (int chunk = 0; chunk < chunks.size(); chunk++) {
      int from = chunk * chunkSize;
      int to = Math.min(shape.tokens(), from + chunkSize);
      float[] data = Elements.all(chunks.get(chunk), shape.dtype());
      int part = (to - from) * heads * shape.headDim();
      assertThat(data).hasSize(2 * shape.layers() * part);
      int at = 0;
      for (CacheRows.Side side : CacheRows.Side.values()) {
        for (int layer = 0; layer < shape.layers(); layer++) {
          assertThat(Arrays.copyOfRange(data, at, at += part))
              .isEqualTo(cache.elements(side, layer, from, to, firstHead, heads));
        }
      }
    }
  }
}
