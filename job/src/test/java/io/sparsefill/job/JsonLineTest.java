package io.sparsefill.job;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Oracles: RFC 8259, and Jackson's writer for round trips. */
class JsonLineTest {
  private static final DocumentColumns COLUMNS =
      new DocumentColumns("doc_id", "text", "token_ids", null);

  private static Document read(byte[] line) {
    return JsonLine.read(COLUMNS, line, "f#9", "/f, byte 9");
  }

  private static Document read(String line) {
    return read(line.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void idAndText() {
    Document document = read("{\"doc_id\":\"a\",\"text\":\"abc\",\"more\":{\"text\":[1,{}]}}\r");
    assertThat(document.docId()).isEqualTo("a");
    assertThat(document.text()).isEqualTo("abc");
    assertThat(document.tokenIds()).isNull();
    assertThat(document.error()).isNull();
    assertThat(document.source()).isEqualTo("/f, byte 9");
    assertThat(document.contentSha256())
        .isEqualTo("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  }

  @Test
  void derivedAndNumericIds() {
    assertThat(read("{\"text\":\"x\"}").docId()).isEqualTo("f#9");
    assertThat(read("{\"text\":\"x\",\"doc_id\":-123456789012345678901234567890}").docId())
        .isEqualTo("-123456789012345678901234567890");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "line\nfeed",
        "\"quoted\"",
        "back\\slash",
        "tab\tcr\r",
        "ünïcødé \uD83D\uDE00 中文",
        "slash/../..",
        "' OR 1=1 --",
        " ",
        "\u2028"
      })
  void strangeNamesAndTextsSurvive(String strange) throws Exception {
    String line = new ObjectMapper().writeValueAsString(Map.of("doc_id", strange, "text", strange));
    Document document = read(line);
    assertThat(document.error()).isNull();
    assertThat(document.docId()).isEqualTo(strange);
    assertThat(document.text()).isEqualTo(strange);
  }

  @Test
  void textOfMoreThanTwentyMillionCharacters() {
    String text = "0123456789".repeat(2_500_000);
    assertThat(read("{\"text\":\"" + text + "\"}").text()).isEqualTo(text);
  }

  @Test
  void tokenIdsAreTakenInPlaceOfTheText() {
    Document document = read("{\"text\":5,\"token_ids\":[0, 2147483647,7]}");
    assertThat(document.tokenIds()).containsExactly(0, Integer.MAX_VALUE, 7);
    assertThat(document.text()).isNull();
    assertThat(document.error()).isNull();
    assertThat(document.contentSha256()).isEqualTo(ContentHash.of(new int[] {0, -1 >>> 1, 7}));
    assertThat(read("{\"text\":\"x\",\"token_ids\":null}").text()).isEqualTo("x");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{'text':'x'              | corrupt JSON",
        "{'text':'x'}}            | corrupt JSON",
        "{'text':'x'} {}          | goes on after the JSON object",
        "{'text':'x','text':'y'}  | Duplicate field 'text'",
        "{'text':'x',}            | corrupt JSON",
        "{'text':'x','n':NaN}     | corrupt JSON",
        "['text']                 | not a JSON object",
        "hello                    | corrupt JSON",
        "7                        | not a JSON object",
        "{'text':'\\q'}           | corrupt JSON",
        "{'other':'x','z':1}      | there is no column 'text' and no column 'token_ids', "
            + "but: other, z",
        "{}                       | but: none",
        "{'text':null}            | column 'text' is null; a string is needed",
        "{'text':12}              | column 'text' is an integer",
        "{'text':['x']}           | column 'text' is an array",
        "{'text':{'text':'x'}}    | column 'text' is an object",
        "{'text':''}              | it is empty",
        "{'text':'a\\u0000'}      | character 1 of the text is NUL",
        "{'text':'a\\ud800'}      | character 1 of the text is an unpaired surrogate",
        "{'doc_id':1.5,'text':'x'}  | column 'doc_id' is a decimal number",
        "{'doc_id':null,'text':'x'} | column 'doc_id' is null",
        "{'doc_id':'','text':'x'}   | the document's name in column 'doc_id': it is empty",
        "{'token_ids':[]}         | it has no token ids",
        "{'token_ids':[1,-2]}     | token 1 of column 'token_ids' is -2",
        "{'token_ids':[1,2,3.5]}  | token 2 of column 'token_ids' is 3.5",
        "{'token_ids':[2147483648]} | token 0 of column 'token_ids' is 2147483648",
        "{'token_ids':[1,'2']}    | token 1 of column 'token_ids' is a string",
        "{'token_ids':[1,null]}   | token 1 of column 'token_ids' is null",
        "{'token_ids':[1,[2]]}    | token 1 of column 'token_ids' is an array",
        "{'token_ids':[1          | corrupt JSON",
        "{'token_ids':'1 2'}      | column 'token_ids' is a string"
      },
      quoteCharacter = '`')
  void whatIsWrongIsNamed(String line, String reason) {
    Document document = read(line.replace('\'', '"'));
    assertThat(document.error()).startsWith("Cannot read /f, byte 9: ").contains(reason.strip());
    assertThat(document.text()).isNull();
    assertThat(document.tokenIds()).isNull();
    assertThat(document.contentSha256()).hasSize(64);
  }

  @Test
  void nameOfABrokenLineIsKeptIfItWasRead() {
    assertThat(read("{\"doc_id\":\"a\",\"text\":\"").docId()).isEqualTo("a");
    assertThat(read("{\"text\":\"x").docId()).isEqualTo("f#9");
  }

  @Test
  void bytesThatAreNoUtf8() {
    byte[] line = "{\"text\":\"abc\"}".getBytes(StandardCharsets.UTF_8);
    line[10] = (byte) 0xFF;
    assertThat(read(line).error()).contains("byte 10 (0xFF) is not valid UTF-8");
    line[10] = 0;
    assertThat(read(line).error()).contains("byte 10 is NUL");
    byte[] utf16 = "\uFEFF{\"text\":\"x\"}".getBytes(StandardCharsets.UTF_16LE);
    assertThat(read(utf16).error()).contains("UTF-16");
    assertThat(read("\uFEFF{\"text\":\"x\"}").text()).isEqualTo("x");
  }
}
