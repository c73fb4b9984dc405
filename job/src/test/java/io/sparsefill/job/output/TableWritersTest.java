package io.sparsefill.job.output;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.AnswerRow;
import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentStatus;
import io.sparsefill.job.LogitsRow;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.KvBlock;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.parquet.example.data.Group;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The oracle is what was handed to the writers; two independent readers, Spark and parquet-java,
 * must return it.
 */
class TableWritersTest {
  private static final String STRANGE = "a \"b\"\nc/ü😀%20,=";

  @TempDir Path temp;

  @ParameterizedTest
  @ValueSource(ints = {1, 7, 8, 9, 17})
  void sparkReadsEveryValue(int tokens) throws Exception {
    Path out = temp.resolve("out");
    DocumentRow documentRow;
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      documentRow = Outputs.row(folder, STRANGE, tokens, DocumentStatus.OK);
      folder.commitWave(1, List.of(Outputs.task(folder, 1, 0, Map.of(STRANGE, tokens))));
    }
    SparkSession spark = Outputs.spark();
    for (Table table : Table.values()) {
      assertThat(spark.read().parquet(out.resolve(table.folder()).toString()).schema())
          .isEqualTo(table.spark());
    }

    Row document = rows(spark, out, Table.DOCUMENTS, "doc_id").get(0);
    assertThat(values(document))
        .containsExactly(
            STRANGE,
            documentRow.source(),
            documentRow.contentSha256(),
            tokens,
            "ok",
            null,
            "dense",
            0.5,
            0.25,
            "cpu",
            documentRow.fingerprint(),
            "r1");

    List<KvBlock> blocks = Outputs.blocks(STRANGE, tokens);
    List<Row> kv = rows(spark, out, Table.KV, "layer", "block");
    assertThat(kv).hasSameSizeAs(blocks);
    for (int i = 0; i < blocks.size(); i++) {
      KvBlock block = blocks.get(i);
      assertThat(values(kv.get(i)))
          .containsExactly(
              STRANGE,
              block.layer(),
              block.block(),
              block.tokenStart(),
              block.tokenCount(),
              "bf16",
              "planes",
              planes(block.key()),
              planes(block.value()),
              null,
              null,
              block.crc32c(),
              "r1");
    }

    List<Row> logits = rows(spark, out, Table.LOGITS, "position");
    List<LogitsRow> written = Outputs.logits(STRANGE, tokens);
    assertThat(logits).hasSameSizeAs(written);
    for (int i = 0; i < written.size(); i++) {
      checkLogits(logits.get(i), written.get(i));
    }

    AnswerRow answer = Outputs.answer(STRANGE);
    Row stored = rows(spark, out, Table.ANSWERS, "doc_id").get(0);
    assertThat(stored.getString(0)).isEqualTo(STRANGE);
    assertThat(stored.getString(1)).isEqualTo(answer.question());
    assertThat(stored.getString(2)).isEqualTo(answer.answer());
    assertThat(stored.<Integer>getList(3))
        .isEqualTo(Arrays.stream(answer.tokenIds()).boxed().toList());
    assertThat(stored.<Double>getList(4))
        .isEqualTo(Arrays.stream(answer.logprobs()).boxed().toList());
    assertThat(stored.getString(5)).isEqualTo(answer.finishReason());
    assertThat(stored.getString(6)).isEqualTo("r1");
  }

  private static void checkLogits(Row row, LogitsRow written) {
    assertThat(row.getString(0)).isEqualTo(written.docId());
    assertThat(row.getInt(1)).isEqualTo(written.position());
    List<Row> top = row.getList(2);
    assertThat(top).hasSameSizeAs(written.topIds());
    for (int i = 0; i < top.size(); i++) {
      assertThat(values(top.get(i)))
          .containsExactly(written.topIds()[i], written.topTokens()[i], written.topLogprobs()[i]);
    }
    assertThat((byte[]) row.get(3)).isEqualTo(written.logits());
    assertThat(row.get(4)).isEqualTo(written.nll());
    assertThat(row.get(5)).isEqualTo(written.perplexity());
    assertThat(floats(row, 6)).isEqualTo(written.tokenNll());
    assertThat(floats(row, 7)).isEqualTo(written.hidden());
    assertThat(row.getString(8)).isEqualTo("r1");
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 7, 8, 9, 17, 64})
  void parquetJavaReadsTokensWithTheHashOfEachPrefix(int tokens) throws Exception {
    Path out = temp.resolve("out");
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      folder.commitWave(1, List.of(Outputs.task(folder, 1, 0, Map.of("d", tokens))));
    }
    int[] ids = Outputs.tokens("d", tokens);
    List<Group> rows = Outputs.groups(out, Table.TOKENS);
    assertThat(rows).hasSize((tokens + Outputs.BLOCK - 1) / Outputs.BLOCK);
    for (int b = 0; b < rows.size(); b++) {
      Group row = rows.get(b);
      int start = b * Outputs.BLOCK;
      int end = Math.min(tokens, start + Outputs.BLOCK);
      assertThat(row.getInteger("block", 0)).isEqualTo(b);
      assertThat(row.getInteger("token_start", 0)).isEqualTo(start);
      assertThat(row.getInteger("token_count", 0)).isEqualTo(end - start);
      Group list = row.getGroup("token_ids", 0);
      int[] stored = new int[list.getFieldRepetitionCount("list")];
      for (int i = 0; i < stored.length; i++) {
        stored[i] = list.getGroup("list", i).getInteger("element", 0);
      }
      assertThat(stored).isEqualTo(Arrays.copyOfRange(ids, start, end));
      assertThat(row.getString("prefix_sha256", 0)).isEqualTo(hashOfPrefix(ids, end));
    }
  }

  @Test
  void parquetJavaReadsEveryKvValueInLayerMajorOrder() throws Exception {
    Path out = temp.resolve("out");
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      folder.commitWave(1, List.of(Outputs.task(folder, 1, 0, Map.of("d", 20))));
    }
    List<KvBlock> blocks = Outputs.blocks("d", 20);
    List<Group> rows = Outputs.groups(out, Table.KV);
    assertThat(rows).hasSameSizeAs(blocks);
    for (int i = 0; i < rows.size(); i++) {
      KvBlock block = blocks.get(i);
      Group row = rows.get(i);
      assertThat(row.getString("doc_id", 0)).isEqualTo("d");
      assertThat(row.getInteger("layer", 0)).isEqualTo(block.layer());
      assertThat(row.getInteger("block", 0)).isEqualTo(block.block());
      assertThat(row.getString("encoding", 0)).isEqualTo("planes");
      assertThat(row.getBinary("key", 0).getBytes()).isEqualTo(planes(block.key()));
      assertThat(row.getBinary("value", 0).getBytes()).isEqualTo(planes(block.value()));
      assertThat(row.getLong("crc32c", 0)).isEqualTo(block.crc32c()).isBetween(0L, 0xffffffffL);
    }
  }

  /** The lower bytes of all numbers, then the upper ones. */
  private static byte[] planes(byte[] numbers) {
    byte[] planes = new byte[numbers.length];
    for (int i = 0; i < numbers.length; i++) {
      planes[i % 2 * (numbers.length / 2) + i / 2] = numbers[i];
    }
    return planes;
  }

  /** The vector is that of SGLang's first page over tokens 128000 to 128015. */
  @Test
  void prefixHashAgreesWithAKnownVector() {
    int[] tokens = new int[16];
    Arrays.setAll(tokens, i -> 128_000 + i);
    assertThat(new PrefixHashes().add(tokens, 0, 16))
        .isEqualTo("1782e022e65bfe680cf3603b805234aec11191a43d4e331c051dacfc05a217ec");
  }

  @Test
  void everyFileCarriesTheIdentity() throws Exception {
    Path out = temp.resolve("out");
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      folder.commitWave(1, List.of(Outputs.task(folder, 1, 0, Map.of("d", 20))));
    }
    Storage storage = new Storage(Outputs.CONF, out.toString());
    for (Table table : Table.values()) {
      for (Storage.Entry entry : storage.list(table.folder())) {
        assertThat(StoredRows.metadata(storage, table.folder() + "/" + entry.name()))
            .containsEntry("sparsefill.format_version", "2")
            .containsEntry("sparsefill.run_id", "r1")
            .containsEntry("sparsefill.identity", new Identity(Outputs.identity()).json());
      }
    }
  }

  @Test
  void filesRollOverAndKeepEveryRow() throws Exception {
    Path out = temp.resolve("out");
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      WriterOptions options = folder.writerOptions(1, KvCompression.UNCOMPRESSED, 1);
      TaskOutput output;
      try (TableWriters writers = TableWriters.open(Outputs.CONF, options, 3, 9, 1)) {
        for (KvBlock block : Outputs.blocks("d", 20)) {
          writers.kv("d", block);
        }
        output = writers.finish(List.of(Outputs.row(folder, "d", 20, DocumentStatus.OK)));
      }
      assertThat(output.files()).hasSize(6).allMatch(file -> file.rows() == 1);
      folder.commitWave(1, List.of(output));
      assertThat(Outputs.files(out.resolve("kv")))
          .hasSize(6)
          .first()
          .isEqualTo("r1-w00001-p00003-0000.parquet");
    }
    assertThat(Outputs.groups(out, Table.KV)).hasSize(6);
  }

  @Test
  void closingWithoutFinishRemovesTheFiles() throws Exception {
    Path out = temp.resolve("out");
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      WriterOptions options = folder.writerOptions(1, KvCompression.ZSTD, 1);
      try (TableWriters writers = TableWriters.open(Outputs.CONF, options, 0, 1)) {
        writers.kv("d", Outputs.block("d", 8, 0, 0));
        assertThat(Outputs.files(out)).anyMatch(file -> file.contains("/0-1/kv/"));
      }
      assertThat(Outputs.files(out)).containsExactly("_lock", "manifest.json");
    }
  }

  @Test
  void afterAFailedWriteNothingCanBePublished() throws Exception {
    try (OutputFolder folder = Outputs.open(temp.resolve("out"), "r1");
        TableWriters writers =
            TableWriters.open(Outputs.CONF, folder.writerOptions(1, KvCompression.ZSTD, 1), 0, 1)) {
      LogitsRow noText =
          new LogitsRow(
              "d", 0, new int[] {1}, new String[1], new double[] {0}, null, null, null, null, null);
      assertThatThrownBy(() -> writers.logits(noText)).hasMessageContaining("'token' is null");
      assertThatThrownBy(() -> writers.kv("d", Outputs.block("d", 8, 0, 0)))
          .hasMessageContaining("writing failed before");
      assertThatThrownBy(() -> writers.finish(List.of()))
          .hasMessageContaining("writing failed before");
    }
  }

  @Test
  void afterItsEndNoRowIsTaken() throws Exception {
    try (OutputFolder folder = Outputs.open(temp.resolve("out"), "r1");
        TableWriters writers =
            TableWriters.open(Outputs.CONF, folder.writerOptions(1, KvCompression.ZSTD, 2), 0, 1)) {
      writers.kv("d", Outputs.block("d", 8, 0, 0));
      assertThat(writers.finish(List.of()).files()).hasSize(1);
      assertThatThrownBy(() -> writers.kv("d", Outputs.block("d", 8, 1, 0)))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("it is closed");
    }
  }

  @Test
  void aBlockWithUnequalKeysAndValuesIsRefusedAndHarmsNoOther() throws Exception {
    try (OutputFolder folder = Outputs.open(temp.resolve("out"), "r1");
        TableWriters writers =
            TableWriters.open(Outputs.CONF, folder.writerOptions(1, KvCompression.ZSTD, 1), 0, 1)) {
      KvBlock odd = new KvBlock(3, 4, 32, 8, KvDtype.BF16, new byte[4], new byte[2], 0);
      assertThatThrownBy(() -> writers.kv("d", odd))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("layer 3, block 4 of 'd'");
      writers.kv("d", Outputs.block("d", 8, 0, 0));
      assertThat(writers.finish(List.of()).files()).hasSize(1);
    }
  }

  private static List<Row> rows(SparkSession spark, Path out, Table table, String... order) {
    return spark
        .read()
        .parquet(out.resolve(table.folder()).toString())
        .orderBy(
            Arrays.stream(order)
                .map(org.apache.spark.sql.functions::col)
                .toArray(org.apache.spark.sql.Column[]::new))
        .collectAsList();
  }

  private static List<Object> values(Row row) {
    List<Object> values = new ArrayList<>();
    for (int i = 0; i < row.size(); i++) {
      values.add(row.get(i));
    }
    return values;
  }

  private static float[] floats(Row row, int column) {
    if (row.isNullAt(column)) {
      return null;
    }
    List<Float> list = row.getList(column);
    float[] values = new float[list.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = list.get(i);
    }
    return values;
  }

  /** From scratch, over a whole prefix. */
  private static String hashOfPrefix(int[] ids, int end) throws Exception {
    ByteBuffer bytes = ByteBuffer.allocate(4 * end).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < end; i++) {
      bytes.putInt(ids[i]);
    }
    return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes.array()));
  }
}
