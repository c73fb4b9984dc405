package io.sparsefill.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Oracles: RFC 3629 for what is UTF-8, sha256sum for the hashes. */
class DocumentTextTest {
  private static DocumentText decode(byte[] bytes) throws UnreadableDocumentException {
    return DocumentText.decode(bytes, 0, bytes.length);
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  @Test
  void hashIsOfTheUtf8Bytes() throws Exception {
    DocumentText text = decode(utf8("abc"));
    assertThat(text.text()).isEqualTo("abc");
    assertThat(text.sha256())
        .isEqualTo("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assertThat(DocumentText.of("abc")).isEqualTo(text);
    assertThat(ContentHash.OF_NOTHING)
        .isEqualTo("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  }

  @Test
  void byteOrderMarkIsLeftOutAtTheBeginningOnlyAndLineEndsStay() throws Exception {
    assertThat(decode(utf8("\uFEFFa\r\nb\rc\n\uFEFF")))
        .isEqualTo(decode(utf8("a\r\nb\rc\n\uFEFF")))
        .extracting(DocumentText::text)
        .isEqualTo("a\r\nb\rc\n\uFEFF");
    assertThat(DocumentText.of("\uFEFFab")).isEqualTo(decode(utf8("ab")));
  }

  @Test
  void rangeInsideAnArray() throws Exception {
    assertThat(DocumentText.decode(utf8("xxabcxx"), 2, 5)).isEqualTo(DocumentText.of("abc"));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 8190, 8191, 8192, 8193, 16384, 100_001})
  void charactersOfEveryWidthSurviveAtEveryPlace(int before) throws Exception {
    String text = "x".repeat(before) + "\u007F\u0080\u07FF\u0800\uFFFD\uD83D\uDE00\uDBFF\uDFFF";
    assertThat(decode(utf8(text)).text()).isEqualTo(text);
    assertThat(DocumentText.of(text)).isEqualTo(decode(utf8(text)));
  }

  @ParameterizedTest
  @CsvSource({
    "FF, 0xFF", // never in UTF-8
    "80, 0x80", // continuation without a beginning
    "C080, 0xC0", // overlong NUL
    "E08080, 0xE0", // overlong
    "EDA080, 0xED", // a surrogate
    "F4908080, 0xF4", // above U+10FFFF
    "F8888080, 0xF8",
    "C3, 0xC3", // cut off
    "E282, 0xE2",
    "F09F98, 0xF0"
  })
  void invalidUtf8IsNamedWithItsOffset(String hex, String named) {
    for (int before : new int[] {0, 7, 8191, 8192, 20_000}) {
      byte[] bad = HexFormat.of().parseHex(hex);
      byte[] bytes = Arrays.copyOf(utf8("y".repeat(before)), before + bad.length);
      System.arraycopy(bad, 0, bytes, before, bad.length);
      assertThatThrownBy(() -> decode(bytes))
          .isInstanceOf(UnreadableDocumentException.class)
          .hasMessageContaining(
              "byte %d (%s) is not valid UTF-8; convert it".formatted(before, named));
    }
  }

  @Test
  void offsetsCountTheByteOrderMark() {
    byte[] bytes = HexFormat.of().parseHex("EFBBBF41FF");
    assertThatThrownBy(() -> decode(bytes)).hasMessageContaining("byte 4 (0xFF)");
  }

  @Test
  void nulIsRefused() {
    assertThatThrownBy(() -> decode(utf8("ab\0c"))).hasMessageContaining("byte 2 is NUL");
    assertThatThrownBy(() -> DocumentText.of("ab\0c")).hasMessageContaining("character 2");
  }

  @Test
  void utf16IsNamed() {
    assertThatThrownBy(() -> decode("\uFEFFab".getBytes(StandardCharsets.UTF_16LE)))
        .hasMessageContaining("byte-order mark FF FE, thus is UTF-16");
    assertThatThrownBy(() -> decode("ab".getBytes(StandardCharsets.UTF_16)))
        .hasMessageContaining("byte-order mark FE FF, thus is UTF-16");
  }

  @Test
  void emptyIsRefused() {
    assertThatThrownBy(() -> decode(new byte[0])).hasMessage("it is empty");
    assertThatThrownBy(() -> decode(utf8("\uFEFF"))).hasMessage("it is empty");
    assertThatThrownBy(() -> DocumentText.of("\uFEFF")).hasMessage("it is empty");
  }

  @ParameterizedTest
  @ValueSource(strings = {"ab\uD800", "ab\uDC00cd", "ab\uD800\uD800\uDC00"})
  void unpairedSurrogatesAreRefused(String text) {
    assertThatThrownBy(() -> DocumentText.of(text))
        .hasMessageContaining("character 2 of the text is an unpaired surrogate (U+D")
        .hasMessageContaining("00)");
  }

  @Test
  void tokenIdsHashAsLittleEndianInt32() {
    // printf '\x01\x00\x00\x00\x02\x03\x00\x00' | sha256sum
    byte[] bytes = {1, 0, 0, 0, 2, 3, 0, 0};
    assertThat(ContentHash.of(new int[] {1, 0x302})).isEqualTo(ContentHash.of(bytes, 0, 8));
    int[] many = new int[20_001];
    byte[] same = new byte[4 * many.length];
    for (int i = 0; i < many.length; i++) {
      many[i] = i % 251;
      same[4 * i] = (byte) (i % 251);
    }
    assertThat(ContentHash.of(many)).isEqualTo(ContentHash.of(same, 0, same.length));
  }
}
