package io.sparsefill.job.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.read.CacheShape;
import io.sparsefill.kernels.KvDtype;
import java.io.IOException;
import java.util.HexFormat;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Oracles: a reader of HiCache's pages written from its description and the cache itself; for names
 * Python's hashlib.
 */
class SglangFormatTest {
  private static final CacheFormat SGLANG = new SglangFormat();

  /** 53 tokens in blocks of 20. */
  private static final CacheShape SHAPE = new CacheShape(53, 3, 4, 4, 20, KvDtype.BF16);

  @ParameterizedTest
  @CsvSource({
    "layer_first, 1, 16",
    "layer_first, 2, 7",
    "page_first_direct, 1, 16",
    "page_first, 1, 16",
    "page_first, 4, 33"
  })
  void pagesHaveEveryValueInTheOrderOfTheLayout(String layout, int ranks, int pageSize)
      throws IOException {
    CacheInMemory cache = CacheInMemory.of("d", SHAPE);
    Map<String, byte[]> files =
        Exports.files(
            SGLANG,
            cache,
            Map.of("layout", layout, "tensor-parallel", "" + ranks, "page-size", "" + pageSize));
    int pages = 53 / pageSize;
    assertThat(files).hasSize(pages * ranks);
    PrefixHash hash = new Sha256Tokens();
    byte[] parent = hash.start();
    for (int page = 0; page < pages; page++) {
      int from = page * pageSize;
      parent = hash.next(parent, cache.tokenIds(), from, from + pageSize);
      for (int rank = 0; rank < ranks; rank++) {
        String name =
            "%s_org-needle-2m_%d_%d.bin".formatted(HexFormat.of().formatHex(parent), rank, ranks);
        check(cache, files.get(name), layout.equals("page_first"), from, pageSize, rank, 4 / ranks);
      }
    }
    assertThat(cache.blocksRead)
        .as("every block once, the last only where a page needs it")
        .isEqualTo(3 * ((pages * pageSize + 19) / 20));
  }

  /** Oracle: hashlib, see {@link PrefixHashTest}. */
  @Test
  void namesAreHashModelAndRank() throws IOException {
    int[] tokens =
        IntStream.concat(IntStream.range(128000, 128016), IntStream.rangeClosed(1, 16)).toArray();
    CacheInMemory cache =
        new CacheInMemory("d", new CacheShape(32, 1, 1, 2, 256, KvDtype.BF16), tokens);
    assertThat(Exports.files(SGLANG, cache, Map.of("page-size", "16")))
        .containsOnlyKeys(
            "1782e022e65bfe680cf3603b805234aec11191a43d4e331c051dacfc05a217ec"
                + "_org-needle-2m_0_1.bin",
            "fcf6eb70fde7710034586d77716b8f7fb5148bd44d7b6451adb26b48d739b934"
                + "_org-needle-2m_0_1.bin");
  }

  @Test
  void nothingIsWrittenOfADocumentThatFillsNoPage() throws IOException {
    assertThat(Exports.files(SGLANG, CacheInMemory.of("d", SHAPE), Map.of())).isEmpty();
  }

  @Test
  void badSettingsAreRefusedByName() {
    CacheInMemory cache = CacheInMemory.of("d", SHAPE);
    assertThatThrownBy(() -> Exports.files(SGLANG, cache, Map.of("page-size", "many")))
        .hasMessage("Cannot use --set page-size=many: it must be a whole number");
    assertThatThrownBy(() -> Exports.files(SGLANG, cache, Map.of("layout", "page_head")))
        .hasMessage(
            "Cannot use --set layout=page_head: accepted are layer_first, page_first,"
                + " page_first_direct");
    assertThatThrownBy(() -> Exports.files(SGLANG, cache, Map.of("tensor-parallel", "8")))
        .hasMessageStartingWith("Cannot cut 4 KV heads over 8 ranks");
  }

  static void check(
      CacheInMemory cache,
      byte[] page,
      boolean pageFirst,
      int from,
      int tokens,
      int rank,
      int heads) {
    CacheShape shape = cache.shape();
    int row = heads * shape.headDim();
    float[] expected = new float[2 * shape.layers() * tokens * row];
    int at = 0;
    for (CacheRows.Side side : CacheRows.Side.values()) {
      for (int i = 0; i < shape.layers() * tokens; i++) {
        int layer = pageFirst ? i % shape.layers() : i / tokens;
        int token = from + (pageFirst ? i / shape.layers() : i % tokens);
        float[] wanted = cache.elements(side, layer, token, token + 1, rank * heads, heads);
        System.arraycopy(wanted, 0, expected, at, row);
        at += row;
      }
    }
    assertThat(Elements.all(page, shape.dtype())).isEqualTo(expected);
  }
}
