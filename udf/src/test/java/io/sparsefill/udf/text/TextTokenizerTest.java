package io.sparsefill.udf.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import com.sun.management.ThreadMXBean;
import io.sparsefill.udf.SharedMaterial;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Texts to ids and back, with a tokenizer of a few words written here and with the trained models'
 * own.
 */
class TextTokenizerTest {
  /** Words split at spaces; ids 0 to 4 are special tokens. */
  private static final String WORDS =
      """
      {"version": "1.0",
       "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
       "padding": {"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null,
                   "pad_id": 4, "pad_type_id": 0, "pad_token": "<pad>"},
       "added_tokens": [%s],
       "normalizer": null,
       "pre_tokenizer": {"type": "WhitespaceSplit"},
       "post_processor": %s,
       "decoder": null,
       "model": {"type": "WordLevel", "unk_token": "<unk>",
                 "vocab": {"<bos>": 0, "<eos>": 1, "<unk>": 2, "<mask>": 3, "<pad>": 4,
                           "a": 5, "long": 6, "day": 7}}}
      """;

  private static final String TEMPLATE =
      """
      {"type": "TemplateProcessing",
       "single": [%s {"Sequence": {"id": "A", "type_id": 0}} %s],
       "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
       "special_tokens": {"<bos>": {"id": "<bos>", "ids": [0], "tokens": ["<bos>"]},
                          "<eos>": {"id": "<eos>", "ids": [1], "tokens": ["<eos>"]},
                          "<mask>": {"id": "<mask>", "ids": [3], "tokens": ["<mask>"]}}}
      """;

  @TempDir Path folder;

  private void writeTokenizer(String postProcessor) throws IOException {
    String added =
        List.of("<bos>", "<eos>", "<unk>", "<mask>", "<pad>").stream()
            .map(
                name ->
                    """
                    {"id": %d, "content": "%s", "single_word": false, "lstrip": false,
                     "rstrip": false, "normalized": false, "special": true}
                    """
                        .formatted(
                            List.of("<bos>", "<eos>", "<unk>", "<mask>", "<pad>").indexOf(name),
                            name))
            .collect(Collectors.joining(","));
    Files.writeString(folder.resolve("tokenizer.json"), WORDS.formatted(added, postProcessor));
  }

  private void writeModelConfig(String bos) throws IOException {
    Files.writeString(
        folder.resolve("config.json"),
        """
        {"model_type": "llama", "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
         "num_attention_heads": 1, "vocab_size": 8, "max_position_embeddings": 64,
         "rms_norm_eps": 1e-5, "bos_token_id": %s}
        """
            .formatted(bos));
  }

  private static String special(String name) {
    return "{\"SpecialToken\": {\"id\": \"%s\", \"type_id\": 0}}".formatted(name);
  }

  private int[] encode(BosPolicy policy, String text) {
    try (TextTokenizer tokenizer = TextTokenizer.open(folder, policy)) {
      return tokenizer.encode(text);
    }
  }

  private String description(BosPolicy policy) {
    try (TextTokenizer tokenizer = TextTokenizer.open(folder, policy)) {
      return tokenizer.description();
    }
  }

  @Test
  void truncationAndPaddingOfTheFileAreSwitchedOff() throws IOException {
    writeTokenizer("null");
    assertThat(encode(BosPolicy.NEVER, "a long long day")).containsExactly(5, 6, 6, 7);
    assertThat(encode(BosPolicy.NEVER, "day")).containsExactly(7);
    assertThat(encode(BosPolicy.NEVER, "")).isEmpty();
  }

  @Test
  void bosOfConfigJsonIsPutFirstWhenItIsASpecialToken() throws IOException {
    writeTokenizer("null");
    writeModelConfig("[0, 1]");
    assertThat(encode(BosPolicy.AUTO, "a day")).containsExactly(0, 5, 7);
    assertThat(encode(BosPolicy.AUTO, "")).containsExactly(0);
    assertThat(description(BosPolicy.AUTO))
        .isEqualTo("before=[0 <bos>] after=[] (bos_token_id of config.json)");
    writeModelConfig("5");
    assertThat(encode(BosPolicy.AUTO, "a day")).containsExactly(5, 7);
    assertThat(description(BosPolicy.AUTO)).contains("bos_token_id 5 of config.json is no special");
    writeModelConfig("null");
    assertThat(encode(BosPolicy.AUTO, "a day")).containsExactly(5, 7);
    assertThat(description(BosPolicy.AUTO)).contains("no file names a BOS token");
  }

  @Test
  void whatFollowsADocumentGetsNoSpecialTokens() throws IOException {
    writeTokenizer(TEMPLATE.formatted(special("<bos>") + ",", "," + special("<eos>")));
    assertThat(encode(BosPolicy.AUTO, "a day")).containsExactly(0, 5, 7, 1);
    try (TextTokenizer tokenizer = TextTokenizer.open(folder, BosPolicy.AUTO)) {
      assertThat(tokenizer.encodeMore("a day")).containsExactly(5, 7);
      assertThat(tokenizer.encodeMore("<mask> a")).containsExactly(3, 5);
      assertThat(tokenizer.encodeMore("")).isEmpty();
    }
  }

  @Test
  void textThatBeginsWithTheBosGetsNoSecondOne() throws IOException {
    writeTokenizer("null");
    writeModelConfig("0");
    assertThat(encode(BosPolicy.AUTO, "<bos> a <eos> day")).containsExactly(0, 5, 1, 7);
    assertThat(encode(BosPolicy.NEVER, "<bos> a")).containsExactly(0, 5);
  }

  @Test
  void postProcessorDecidesBeforeConfigJson() throws IOException {
    writeTokenizer(TEMPLATE.formatted(special("<mask>") + "," + special("<bos>") + ",", ""));
    writeModelConfig("0");
    assertThat(encode(BosPolicy.AUTO, "a day")).containsExactly(3, 0, 5, 7);
    assertThat(encode(BosPolicy.ALWAYS, "a day")).containsExactly(3, 0, 5, 7);
    assertThat(encode(BosPolicy.AUTO, "<mask><bos> day")).containsExactly(3, 0, 7);
    assertThat(encode(BosPolicy.NEVER, "a day")).containsExactly(5, 7);
    assertThat(description(BosPolicy.AUTO))
        .isEqualTo("before=[3 <mask>, 0 <bos>] after=[] (post-processor of tokenizer.json)");
    writeTokenizer(TEMPLATE.formatted("", "," + special("<eos>")));
    assertThat(encode(BosPolicy.AUTO, "a day")).containsExactly(5, 7, 1);
    assertThat(encode(BosPolicy.ALWAYS, "a day")).containsExactly(0, 5, 7);
  }

  /** Oracle: transformers, where add_bos_token rewrites the post-processor. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          {"add_bos_token": true, "bos_token": "<mask>"}                                            | 3 5 7
          {"add_bos_token": true, "bos_token": {"content": "<mask>"}}                               | 3 5 7
          {"add_bos_token": true}                                                                   | 0 5 7
          {"add_bos_token": false, "bos_token": "<mask>"}                                           | 5 7
          {"add_bos_token": true, "add_eos_token": true, "bos_token": "<bos>", "eos_token": "<eos>"}| 0 5 7 1
          {"bos_token": "<mask>"}                                                                   | 0 5 7
          {"bos_token": null}                                                                       | 5 7
          """)
  void tokenizerConfigDecidesFirst(String config, String ids) throws IOException {
    writeTokenizer("null");
    writeModelConfig("0");
    Files.writeString(folder.resolve("tokenizer_config.json"), config);
    int[] expected = Arrays.stream(ids.split(" ")).mapToInt(Integer::parseInt).toArray();
    assertThat(encode(BosPolicy.AUTO, "a day")).containsExactly(expected);
  }

  @Test
  void addBosTokenFalseOverridesThePostProcessor() throws IOException {
    writeTokenizer(TEMPLATE.formatted(special("<bos>") + ",", ""));
    Files.writeString(folder.resolve("tokenizer_config.json"), "{\"add_bos_token\": false}");
    assertThat(encode(BosPolicy.AUTO, "a day")).containsExactly(5, 7);
  }

  @Test
  void bosThatDoesNotExistIsAnError() throws IOException {
    writeTokenizer("null");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> TextTokenizer.open(folder, BosPolicy.ALWAYS))
        .withMessageContaining("neither bos_token in tokenizer_config.json nor bos_token_id")
        .withMessageContaining(folder.toString());
    Files.writeString(
        folder.resolve("tokenizer_config.json"),
        "{\"add_bos_token\": true, \"bos_token\": \"<s>\"}");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> TextTokenizer.open(folder, BosPolicy.AUTO))
        .withMessageContaining("bos_token '<s>'")
        .withMessageContaining("<mask>");
  }

  @Test
  void missingOrBrokenTokenizerIsNamed() throws IOException {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> TextTokenizer.open(folder, BosPolicy.AUTO))
        .withMessageContaining("there is no tokenizer.json")
        .withMessageContaining(folder.toString());
    for (String json : List.of("", "[]", "{\"model\": ", "{\"version\": \"1.0\"}")) {
      Files.writeString(folder.resolve("tokenizer.json"), json);
      assertThatIllegalArgumentException()
          .as(json)
          .isThrownBy(() -> TextTokenizer.open(folder, BosPolicy.AUTO))
          .withMessageContaining(folder.toString());
    }
    writeTokenizer("null");
    Files.writeString(folder.resolve("tokenizer_config.json"), "{");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> TextTokenizer.open(folder, BosPolicy.AUTO))
        .withMessageContaining("tokenizer_config.json");
  }

  @Test
  void closedTokenizerRefusesToWork() throws IOException {
    writeTokenizer("null");
    TextTokenizer tokenizer = TextTokenizer.open(folder, BosPolicy.NEVER);
    tokenizer.close();
    tokenizer.close();
    assertThatIllegalStateException().isThrownBy(() -> tokenizer.encode("a"));
    assertThatIllegalStateException().isThrownBy(() -> tokenizer.token(5));
  }

  @Test
  void policiesHaveLabels() {
    for (BosPolicy policy : BosPolicy.values()) {
      assertThat(BosPolicy.of(policy.label())).isEqualTo(policy);
    }
    assertThatIllegalArgumentException()
        .isThrownBy(() -> BosPolicy.of("perhaps"))
        .withMessageContaining("auto, always, never");
  }

  private static TextTokenizer needle(String model) {
    return TextTokenizer.open(SharedMaterial.model(model), BosPolicy.AUTO);
  }

  /** Oracle: byte-level BPE loses nothing, so the ids must decode to the text they came from. */
  @ParameterizedTest
  @ValueSource(strings = {"needle-2m", "needle-19m"})
  void novelsSurviveTheRoundTripBehindOneBos(String model) throws IOException {
    for (String novel : List.of("Anon_Clara_1864.txt", "Lytton_Novel_1853.txt")) {
      String text = Files.readString(SharedMaterial.text(novel));
      try (TextTokenizer tokenizer = needle(model)) {
        int[] ids = tokenizer.encode(text);
        assertThat(ids[0]).isZero();
        assertThat(Arrays.stream(ids).filter(id -> id == 0).count()).isEqualTo(1);
        assertThat(tokenizer.decode(Arrays.copyOfRange(ids, 1, ids.length))).isEqualTo(text);
        assertThat(tokenizer.encode("<|begin_of_text|>" + text)).isEqualTo(ids);
      }
    }
  }

  /** Oracle: the round trip, as above. */
  @Test
  void unusualCharactersSurviveTheRoundTrip() {
    try (TextTokenizer tokenizer = needle("needle-2m")) {
      for (String text :
          List.of(
              "a\0b\0",
              "\uD83D\uDE00 \u4F60\u597D \u0000",
              "\uFEFF\r\n\ttabs\r\n",
              " ",
              "\n\n\n",
              "e\u0301")) {
        int[] ids = tokenizer.encode(text);
        assertThat(tokenizer.decode(Arrays.copyOfRange(ids, 1, ids.length))).isEqualTo(text);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"ab\uD83D", "ab\uDE00", "ab\uD83D\uD83D\uDE00", "ab\uDE00\uD83D"})
  void halfASurrogatePairIsRefusedWithItsPlace(String text) {
    try (TextTokenizer tokenizer = needle("needle-2m")) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> tokenizer.encode(text))
          .withMessageContaining("character 2 is U+" + "%04X".formatted((int) text.charAt(2)));
    }
  }

  @Test
  void tokensHaveTheTextThatStandsInTheDocument() {
    try (TextTokenizer tokenizer = needle("needle-2m")) {
      String text = "The special magic number is 1234567.";
      int[] ids = tokenizer.encode(text);
      String joined =
          Arrays.stream(ids).skip(1).mapToObj(tokenizer::token).collect(Collectors.joining());
      assertThat(joined).isEqualTo(text);
      assertThat(tokenizer.token(0)).isEqualTo("<|begin_of_text|>");
      assertThat(tokenizer.token(1_000_000)).isEmpty();
      int half = tokenizer.encode("\u00E9\u4F60")[1];
      assertThat(tokenizer.token(half)).isEqualTo("\uFFFD");
      assertThatIllegalArgumentException().isThrownBy(() -> tokenizer.token(-1));
    }
  }

  /** Oracle: what one thread gets alone. */
  @Test
  void severalThreadsShareOneTokenizer() throws IOException {
    String text = Files.readString(SharedMaterial.text("Gissing_Women_1893.txt"));
    try (TextTokenizer tokenizer = needle("needle-2m")) {
      List<String> parts =
          IntStream.range(0, 16).mapToObj(i -> text.substring(i * 900, i * 900 + 5000)).toList();
      List<int[]> alone = parts.stream().map(tokenizer::encode).toList();
      List<int[]> together = parts.parallelStream().map(tokenizer::encode).toList();
      for (int i = 0; i < parts.size(); i++) {
        assertThat(together.get(i)).isEqualTo(alone.get(i));
      }
    }
  }

  /**
   * Five million characters: besides native memory the heap gets 8 bytes per id from the binding
   * and 4 per id for the caller, and no copy of the text. The time limit is an order of magnitude
   * above what one core needs.
   */
  @Test
  void fiveMegabytesCostTheHeapTheirIdsAlone() throws IOException {
    String text = fiveMegabytes();
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (TextTokenizer tokenizer = needle("needle-2m")) {
      tokenizer.encode("warm up");
      long before = threads.getCurrentThreadAllocatedBytes();
      long start = threads.getCurrentThreadCpuTime();
      int[] ids = tokenizer.encode(text);
      double seconds = (threads.getCurrentThreadCpuTime() - start) / 1e9;
      long allocated = threads.getCurrentThreadAllocatedBytes() - before;
      System.out.printf(
          "tokenised %d characters to %d ids in %.1f CPU seconds, %.1f heap bytes per id%n",
          text.length(), ids.length, seconds, (double) allocated / ids.length);
      assertThat(ids.length).isGreaterThan(1_000_000);
      assertThat(allocated).isLessThan(12L * ids.length + (1 << 20));
      assertThat(seconds).isLessThan(60);
    }
  }

  private static String fiveMegabytes() throws IOException {
    StringBuilder text = new StringBuilder();
    for (String novel :
        List.of("Eliot_Adam_1859.txt", "Cbronte_Shirley_1849.txt", "Lytton_Novel_1853.txt")) {
      text.append(Files.readString(SharedMaterial.text(novel)));
    }
    while (text.length() < 5_000_000) {
      text.append(text, 0, Math.min(text.length(), 5_000_000 - text.length()));
    }
    return text.substring(0, 5_000_000);
  }

  /** Offline use is a promise: nothing may be fetched, and nobody is told. */
  @Test
  void libraryIsSetToStayOffline() throws IOException {
    writeTokenizer("null");
    assertThat(encode(BosPolicy.NEVER, "a")).hasSize(1);
    for (String property : Set.of("ai.djl.offline", "OPT_OUT_TRACKING", "RUST_FLAVOR")) {
      assertThat(System.getProperty(property, System.getenv(property))).as(property).isNotNull();
    }
  }
}
