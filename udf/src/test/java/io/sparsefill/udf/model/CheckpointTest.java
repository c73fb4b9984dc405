package io.sparsefill.udf.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.udf.SharedMaterial;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Folders of checkpoints, good and broken; the oracle of values is what was written or stored. */
class CheckpointTest {
  private static final int HIDDEN = 6;
  private static final int HEADS = 2;
  private static final int KV_HEADS = 1;
  private static final int HEAD_DIM = 4;
  private static final int FFN = 5;
  private static final int VOCAB = 9;

  @TempDir Path folder;

  /** A Llama of one layer; tests change it before they write it. */
  private final Map<String, List<Long>> shapes = new LinkedHashMap<>();

  private boolean tied;

  @BeforeEach
  void llamaOfOneLayer() {
    String layer = "model.layers.0.";
    shapes.put("model.embed_tokens.weight", List.of(9L, 6L));
    shapes.put(layer + "input_layernorm.weight", List.of(6L));
    shapes.put(layer + "self_attn.q_proj.weight", List.of(8L, 6L));
    shapes.put(layer + "self_attn.k_proj.weight", List.of(4L, 6L));
    shapes.put(layer + "self_attn.v_proj.weight", List.of(4L, 6L));
    shapes.put(layer + "self_attn.o_proj.weight", List.of(6L, 8L));
    shapes.put(layer + "post_attention_layernorm.weight", List.of(6L));
    shapes.put(layer + "mlp.gate_proj.weight", List.of(5L, 6L));
    shapes.put(layer + "mlp.up_proj.weight", List.of(5L, 6L));
    shapes.put(layer + "mlp.down_proj.weight", List.of(6L, 5L));
    shapes.put("model.norm.weight", List.of(6L));
    shapes.put("lm_head.weight", List.of(9L, 6L));
  }

  private void writeConfig() throws IOException {
    Files.writeString(
        folder.resolve("config.json"),
        """
        {"model_type":"llama","hidden_size":%d,"intermediate_size":%d,"num_hidden_layers":1,
         "num_attention_heads":%d,"num_key_value_heads":%d,"head_dim":%d,"vocab_size":%d,
         "max_position_embeddings":64,"rms_norm_eps":1e-5,"tie_word_embeddings":%b}
        """
            .formatted(HIDDEN, FFN, HEADS, KV_HEADS, HEAD_DIM, VOCAB, tied));
  }

  /** Each tensor holds a number of its own, plus the index of the element. */
  private void writeTensors(String file, Set<String> names) throws IOException {
    SafetensorsWriter writer = new SafetensorsWriter();
    for (String name : names) {
      int size =
          (int) shapes.get(name).stream().mapToLong(Long::longValue).reduce(1, (a, b) -> a * b);
      float[] values = new float[size];
      for (int i = 0; i < size; i++) {
        values[i] = value(name, i);
      }
      writer.f32(name, shapes.get(name), values);
    }
    writer.write(folder.resolve(file));
  }

  private static float value(String name, int index) {
    return name.hashCode() % 1000 + index;
  }

  private Checkpoint openSingle() throws IOException {
    writeConfig();
    writeTensors("model.safetensors", shapes.keySet());
    return Checkpoint.open(folder);
  }

  private void refused(String message) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Checkpoint.open(folder))
        .withMessageStartingWith("Cannot read ")
        .withMessageContaining(folder.toString())
        .withMessageContaining(message);
  }

  private static void assertStacked(HostMatrix matrix, int rows, int cols, String... names) {
    assertThat(matrix.rows()).isEqualTo(rows);
    assertThat(matrix.cols()).isEqualTo(cols);
    float[] values = ChatGlmFolder.values(matrix);
    int at = 0;
    for (int part = 0; part < names.length; part++) {
      int end = part == names.length - 1 ? values.length : nextPart(values, at, names[part + 1]);
      for (int i = 0; at < end; i++, at++) {
        assertThat(values[at]).as("%s %d", names[part], i).isEqualTo(value(names[part], i));
      }
    }
    assertThat(at).isEqualTo(values.length);
  }

  private static int nextPart(float[] values, int from, String name) {
    for (int i = from; i < values.length; i++) {
      if (values[i] == value(name, 0)) {
        return i;
      }
    }
    throw new AssertionError("nothing of " + name);
  }

  @Test
  void separateProjectionsAreStackedInOrder() throws IOException {
    Checkpoint checkpoint = openSingle();
    String attention = "model.layers.0.self_attn.";
    LayerWeights layer = checkpoint.layer(0);
    assertStacked(
        layer.qkv(),
        16,
        6,
        attention + "q_proj.weight",
        attention + "k_proj.weight",
        attention + "v_proj.weight");
    assertStacked(
        layer.gateUp(),
        10,
        6,
        "model.layers.0.mlp.gate_proj.weight",
        "model.layers.0.mlp.up_proj.weight");
    assertStacked(layer.output(), 6, 8, attention + "o_proj.weight");
    assertStacked(layer.down(), 6, 5, "model.layers.0.mlp.down_proj.weight");
    assertStacked(layer.inputNorm(), 1, 6, "model.layers.0.input_layernorm.weight");
    assertStacked(layer.postNorm(), 1, 6, "model.layers.0.post_attention_layernorm.weight");
    assertStacked(checkpoint.embedding(), 9, 6, "model.embed_tokens.weight");
    assertStacked(checkpoint.finalNorm(), 1, 6, "model.norm.weight");
    assertStacked(checkpoint.lmHead(), 9, 6, "lm_head.weight");
    assertThat(layer.qkvBias()).isNull();
    assertThat(layer.qNorm()).isNull();
    assertThat(layer.kNorm()).isNull();
    assertThatThrownBy(() -> checkpoint.layer(1)).isInstanceOf(IndexOutOfBoundsException.class);
    // a run of rows that starts in one part and ends in the next
    float[] rows = new float[3 * 6];
    layer.qkv().read(7, 3, rows, 0);
    assertThat(rows[0]).isEqualTo(value(attention + "q_proj.weight", 42));
    assertThat(rows[6]).isEqualTo(value(attention + "k_proj.weight", 0));
    assertThat(rows[17]).isEqualTo(value(attention + "k_proj.weight", 11));
  }

  @Test
  void tiedHeadIsTheEmbeddingEvenIfACopyIsStored() throws IOException {
    tied = true;
    Checkpoint withCopy = openSingle();
    assertThat(withCopy.lmHead()).isSameAs(withCopy.embedding());
    shapes.remove("lm_head.weight");
    Checkpoint without = openSingle();
    assertThat(without.lmHead()).isSameAs(without.embedding());
  }

  @Test
  void missingTensorIsNamed() throws IOException {
    shapes.remove("model.layers.0.mlp.up_proj.weight");
    shapes.remove("lm_head.weight");
    writeConfig();
    writeTensors("model.safetensors", shapes.keySet());
    refused("lm_head.weight, model.layers.0.mlp.up_proj.weight, which are missing");
    refused("tie_word_embeddings");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "model.layers.1.input_layernorm.weight",
        "model.layers.0.self_attn.q_proj.bias",
        "model.layers.0.self_attn.q_norm.weight",
        "model.layers.0.mlp.gate_proj.weight_scale"
      })
  void tensorThatTheFamilyDoesNotKnowIsRefused(String extra) throws IOException {
    shapes.put(extra, List.of(6L));
    writeConfig();
    writeTensors("model.safetensors", shapes.keySet());
    refused("does not know the tensors " + extra);
  }

  @Test
  void rotaryTablesOfOldFilesAreHarmless() throws IOException {
    shapes.put("model.layers.0.self_attn.rotary_emb.inv_freq", List.of(2L));
    assertThat(openSingle().layer(0)).isNotNull();
  }

  @Test
  void wrongShapeNamesTensorFoundAndExpected() throws IOException {
    shapes.put("model.embed_tokens.weight", List.of(10L, 6L));
    writeConfig();
    writeTensors("model.safetensors", shapes.keySet());
    refused(
        "tensor 'model.embed_tokens.weight' has shape [10, 6], but config.json asks for [9, 6]");
  }

  @Test
  void weightOfAnotherDtypeIsRefused() throws IOException {
    writeConfig();
    SafetensorsWriter writer = new SafetensorsWriter();
    writer.raw("model.embed_tokens.weight", "F8_E4M3", List.of(9L, 6L), new byte[54]);
    writer.write(folder.resolve("model.safetensors"));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Checkpoint.open(folder))
        .withMessageContaining("'model.embed_tokens.weight' of dtype F8_E4M3")
        .withMessageContaining("BF16, F16, F32");
  }

  private void writeIndex(Map<String, String> places) throws IOException {
    new ObjectMapper()
        .writeValue(
            folder.resolve("model.safetensors.index.json").toFile(),
            Map.of("metadata", Map.of("total_size", 1), "weight_map", places));
  }

  private Map<String, String> writeShards() throws IOException {
    writeConfig();
    List<String> names = new ArrayList<>(shapes.keySet());
    Map<String, String> places = new LinkedHashMap<>();
    for (int i = 0; i < names.size(); i++) {
      places.put(names.get(i), i < 5 ? "a.safetensors" : "b.safetensors");
    }
    writeTensors("a.safetensors", Set.copyOf(names.subList(0, 5)));
    writeTensors("b.safetensors", Set.copyOf(names.subList(5, names.size())));
    return places;
  }

  @Test
  void shardsGiveWhatASingleFileGives() throws IOException {
    float[] single = ChatGlmFolder.values(openSingle().layer(0).qkv());
    Files.delete(folder.resolve("model.safetensors"));
    writeIndex(writeShards());
    assertThat(ChatGlmFolder.values(Checkpoint.open(folder).layer(0).qkv())).isEqualTo(single);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"../b.safetensors", "/etc/b.safetensors", "x/../../b.safetensors", "", "b\0.x"})
  void indexMayNotLeaveTheFolder(String place) throws IOException {
    Map<String, String> places = writeShards();
    places.put("model.norm.weight", place);
    writeIndex(places);
    refused("tensor 'model.norm.weight' is placed in");
    refused("accepted: the name of a file inside the folder");
  }

  @Test
  void missingShardIsNamed() throws IOException {
    writeIndex(writeShards());
    Files.delete(folder.resolve("b.safetensors"));
    refused("the shard b.safetensors is missing");
  }

  @Test
  void tensorThatIsNotInItsShardIsNamed() throws IOException {
    Map<String, String> places = writeShards();
    places.put("model.norm.weight", "a.safetensors");
    writeIndex(places);
    refused("places [model.norm.weight] in a.safetensors, which does not hold it");
  }

  @Test
  void tensorInTwoShardsIsRefused() throws IOException {
    Map<String, String> places = writeShards();
    writeTensors("a.safetensors", shapes.keySet());
    writeIndex(places);
    refused("and in another shard");
  }

  @Test
  void folderWithoutWeightsSaysWhatIsThere() throws IOException {
    writeConfig();
    Files.writeString(folder.resolve("pytorch_model.bin"), "x");
    refused("it has neither model.safetensors nor model.safetensors.index.json");
    refused("only config.json, pytorch_model.bin");
  }

  /** Oracle: the number of elements in the files, none of which may be left out. */
  @Test
  void everyGoldenCheckpointIsReadWhole() throws IOException {
    for (Path model : SharedMaterial.goldenModels()) {
      assertThat(elements(Checkpoint.open(model)))
          .as("%s", model)
          .isEqualTo(stored(weights(model)));
    }
  }

  @Test
  void needleModelsAreReadWhole() throws IOException {
    for (String name : List.of("needle-2m", "needle-19m")) {
      Path model = SharedMaterial.model(name);
      assertThat(elements(Checkpoint.open(model))).as(name).isEqualTo(stored(weights(model)));
    }
  }

  private static List<Path> weights(Path model) throws IOException {
    try (Stream<Path> files = Files.list(model)) {
      return files
          .filter(f -> f.toString().endsWith(".safetensors") && !f.endsWith("golden.safetensors"))
          .toList();
    }
  }

  private static long stored(List<Path> files) {
    long elements = 0;
    for (Path path : files) {
      Safetensors file = Safetensors.open(path);
      for (String name : file.names()) {
        elements += file.shape(name).stream().mapToLong(Long::longValue).reduce(1, (a, b) -> a * b);
      }
    }
    return elements;
  }

  private static long elements(Checkpoint checkpoint) {
    List<HostMatrix> all = new ArrayList<>(List.of(checkpoint.embedding(), checkpoint.finalNorm()));
    if (checkpoint.lmHead() != checkpoint.embedding()) {
      all.add(checkpoint.lmHead());
    }
    for (int i = 0; i < checkpoint.config().layers(); i++) {
      all.addAll(matrices(checkpoint.layer(i)));
    }
    long elements = 0;
    for (HostMatrix matrix : all) {
      if (matrix != null) {
        elements += ChatGlmFolder.values(matrix).length;
      }
    }
    return elements;
  }

  private static List<HostMatrix> matrices(LayerWeights w) {
    return java.util.Arrays.asList(
        w.inputNorm(),
        w.qkv(),
        w.qkvBias(),
        w.qNorm(),
        w.kNorm(),
        w.output(),
        w.postNorm(),
        w.gateUp(),
        w.down());
  }

  /** Oracle: the same weights as transformers writes them, read as {@code glm}. */
  @Test
  void originalChatGlmNamesGiveTheSameWeightsAndRope() throws IOException {
    List<Path> models =
        SharedMaterial.goldenModels().stream()
            .filter(model -> ModelConfig.read(model).modelType().equals("glm"))
            .toList();
    SharedMaterial.orSkip(!models.isEmpty(), "skipped: no golden model is of type glm");
    for (Path model : models) {
      Path target = folder.resolve(model.getFileName().toString());
      ChatGlmFolder.convert(model, target);
      Checkpoint glm = Checkpoint.open(model);
      Checkpoint chatGlm = Checkpoint.open(target);
      assertThat(chatGlm.config().modelType()).isEqualTo("chatglm");
      assertThat(chatGlm.config().rope()).isEqualTo(glm.config().rope());
      assertThat(chatGlm.config().normEps()).isEqualTo(glm.config().normEps());
      assertSame(chatGlm.embedding(), glm.embedding());
      assertSame(chatGlm.finalNorm(), glm.finalNorm());
      assertSame(chatGlm.lmHead(), glm.lmHead());
      for (int i = 0; i < glm.config().layers(); i++) {
        List<HostMatrix> expected = matrices(glm.layer(i));
        List<HostMatrix> actual = matrices(chatGlm.layer(i));
        for (int j = 0; j < expected.size(); j++) {
          assertSame(actual.get(j), expected.get(j));
        }
      }
    }
  }

  private static void assertSame(HostMatrix actual, HostMatrix expected) {
    if (expected == null) {
      assertThat(actual).isNull();
      return;
    }
    assertThat(actual.rows()).isEqualTo(expected.rows());
    assertThat(actual.cols()).isEqualTo(expected.cols());
    assertThat(ChatGlmFolder.values(actual)).isEqualTo(ChatGlmFolder.values(expected));
  }

  /** Oracle: SHA-256 over the concatenated bytes, as cat and sha256sum would give it. */
  @Test
  void identityHashesTheFilesInOrder() throws Exception {
    writeIndex(writeShards());
    ModelIdentity bare = Checkpoint.identity(folder);
    assertThat(bare.weightsSha256()).isEqualTo(sha256("a.safetensors", "b.safetensors"));
    assertThat(bare.configSha256()).isEqualTo(sha256("config.json"));
    assertThat(bare.tokenizerSha256()).isNull();
    Files.writeString(folder.resolve("tokenizer.json"), "{}");
    assertThat(Checkpoint.identity(folder).tokenizerSha256()).isEqualTo(sha256("tokenizer.json"));
    Files.writeString(folder.resolve("tokenizer_config.json"), "{\"a\":1}");
    assertThat(Checkpoint.identity(folder).tokenizerSha256())
        .isEqualTo(sha256("tokenizer.json", "tokenizer_config.json"));
    Files.delete(folder.resolve("config.json"));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Checkpoint.identity(folder))
        .withMessageContaining("no config.json");
  }

  private String sha256(String... files) throws Exception {
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    for (String file : files) {
      digest.update(Files.readAllBytes(folder.resolve(file)));
    }
    return HexFormat.of().formatHex(digest.digest());
  }
}
