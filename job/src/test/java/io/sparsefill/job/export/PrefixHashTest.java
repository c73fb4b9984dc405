package io.sparsefill.job.export;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HexFormat;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/**
 * Oracles: Python. CBOR by cbor2, the encoder that vLLM uses, with hashlib; BLAKE3 by a program
 * written from its paper, which gives the published hashes of "" and "abc".
 */
class PrefixHashTest {
  private static final int[] TOKENS =
      IntStream.concat(IntStream.range(128000, 128016), IntStream.rangeClosed(1, 16)).toArray();

  @Test
  void vllmChainIsThatOfCbor2AndHashlib() {
    PrefixHash hash = new Sha256Cbor("0");
    byte[] start = hash.start();
    byte[] first = hash.next(start, TOKENS, 0, 16);
    assertThat(hex(start))
        .isEqualTo("4e1195df020de59e0d65a33a4279f1183e7ae4e5d980e309f8b55adff2e61c3e");
    assertThat(hex(first))
        .isEqualTo("a75243d241b8208e777d27b2020bcebe93043ef9ce95447916c4e4a10e80a01d");
    assertThat(hex(hash.next(first, TOKENS, 16, 32)))
        .isEqualTo("1a6566018a72035016cc3133576767582802376cbf33f36b1c228438bf3debaa");
  }

  @Test
  void vllmSeedsOfAnyLengthAreTextsOfCbor2() {
    assertThat(hex(new Sha256Cbor("").start()))
        .isEqualTo("8d33f520a3c4cef80d2453aef81b612bfe1cb44c8b2025630ad38662763f13d3");
    assertThat(hex(new Sha256Cbor("x".repeat(300)).start()))
        .isEqualTo("6868369228ecdc2519fd815756a7d898a80d1f81ed5cd98cc91e749edc70252d");
  }

  @Test
  void vllmTokensAtTheEdgesOfCborsLengthsAreThoseOfCbor2() {
    int[] edges = {0, 23, 24, 255, 256, 65535, 65536, Integer.MAX_VALUE};
    int[] tokens = IntStream.range(0, 320).map(i -> edges[i % edges.length]).toArray();
    PrefixHash hash = new Sha256Cbor("0");
    assertThat(hex(hash.next(hash.start(), tokens, 0, tokens.length)))
        .isEqualTo("ee11500d021804873b539dd76bb06919a3ede42bdc1a9a1c19dce189779dec32");
  }

  @Test
  void lmcacheChainIsThatOfBlake3() {
    int[] tokens =
        IntStream.concat(IntStream.range(128000, 128256), IntStream.rangeClosed(1, 256)).toArray();
    PrefixHash hash = new Blake3Tokens();
    byte[] first = hash.next(hash.start(), tokens, 0, 256);
    assertThat(hex(hash.start()))
        .isEqualTo("7e3eff9ef7613a50340eb12677ee03b83ac759fcba9bb32705f07248d56d473b");
    assertThat(hex(first))
        .isEqualTo("b0ac63c5f13eed82de1a6d77acc2880eabe8112e5498aaa14eaff0dfdcf882c3");
    assertThat(hex(hash.next(first, tokens, 256, 512)))
        .isEqualTo("e5f78e4486ce484f76e33510f03cffee493ef490598a1dcc886ef97ec5ea6bce");
  }

  @Test
  void sglangChainIsThatOfHashlib() {
    PrefixHash hash = new Sha256Tokens();
    byte[] first = hash.next(hash.start(), TOKENS, 0, 16);
    assertThat(hex(first))
        .isEqualTo("1782e022e65bfe680cf3603b805234aec11191a43d4e331c051dacfc05a217ec");
    assertThat(hex(hash.next(first, TOKENS, 16, 32)))
        .isEqualTo("fcf6eb70fde7710034586d77716b8f7fb5148bd44d7b6451adb26b48d739b934");
  }

  private static String hex(byte[] hash) {
    return HexFormat.of().formatHex(hash);
  }
}
