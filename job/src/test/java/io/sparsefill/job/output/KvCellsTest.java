package io.sparsefill.job.output;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.DocumentStatus;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.KvBlock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.SimpleGroup;
import org.apache.parquet.filter2.compat.FilterCompat;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.example.ExampleParquetWriter;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.MessageTypeParser;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Blocks of every type in rows of the kv table; the oracle is what was handed to the writers. */
class KvCellsTest {
  private static final int TOKENS = Outputs.BLOCK;
  private static final int HEADS = Outputs.KV_HEADS;
  private static final int ELEMENTS = TOKENS * HEADS * Outputs.HEAD_DIM;

  /** The kv table of format version 1. */
  private static final MessageType VERSION_1 =
      MessageTypeParser.parseMessageType(
          """
          message kv {
            required binary doc_id (STRING);
            required int32 layer;
            required int32 block;
            required int32 token_start;
            required int32 token_count;
            required binary dtype (STRING);
            required binary key;
            required binary value;
            required int64 crc32c;
            required binary run_id (STRING);
          }
          """);

  @TempDir Path temp;

  private Path out;

  @BeforeEach
  void nameOutput() {
    out = temp.resolve("out");
  }

  private static KvBlock block(KvDtype dtype, int layer) {
    Random random = new Random(layer);
    byte[][] bytes = new byte[4][];
    for (int i = 0; i < 4; i++) {
      boolean scales = i >= 2;
      if (!scales || dtype.scaled()) {
        bytes[i] = new byte[scales ? TOKENS * HEADS * 4 : ELEMENTS * dtype.bytes()];
        random.nextBytes(bytes[i]);
      }
    }
    long crc = KvBlock.checksum(bytes[0], bytes[1], bytes[2], bytes[3]);
    return new KvBlock(layer, 0, 0, TOKENS, dtype, bytes[0], bytes[1], bytes[2], bytes[3], crc);
  }

  private OutputFolder open(KvDtype dtype, String run) throws Exception {
    Map<String, String> identity = new TreeMap<>(Outputs.identity());
    identity.put(Identity.KV_DTYPE, dtype.label());
    return OutputFolder.open(
        Outputs.CONF, out.toString(), identity, run, Map.of(), Claim.of("run", ""));
  }

  /** Writes a document of two layers; returns the rows of the kv table. */
  private List<Group> write(KvDtype dtype, KvCompression compression) throws Exception {
    try (OutputFolder folder = open(dtype, "r1")) {
      WriterOptions options = folder.writerOptions(1, compression, 1);
      try (TableWriters writers = TableWriters.open(Outputs.CONF, options, 0, 1)) {
        writers.kv("d", block(dtype, 0));
        writers.kv("d", block(dtype, 1));
        folder.commitWave(
            1,
            List.of(writers.finish(List.of(Outputs.row(folder, "d", TOKENS, DocumentStatus.OK)))));
      }
    }
    return Outputs.groups(out, Table.KV);
  }

  @ParameterizedTest
  @EnumSource(KvDtype.class)
  void blocksComeBackWhateverCompressesThem(KvDtype dtype) throws Exception {
    for (KvCompression compression : KvCompression.values()) {
      out = temp.resolve(compression.label());
      List<Group> rows = write(dtype, compression);
      boolean planes = compression == KvCompression.ZSTD && dtype.bytes() == 2;
      for (int layer = 0; layer < 2; layer++) {
        Group row = rows.get(layer);
        KvBlock expected = block(dtype, layer);
        assertThat(row.getString("encoding", 0)).isEqualTo(planes ? "planes" : "plain");
        byte[] cell = row.getBinary("value", 0).getBytes();
        for (int i = 0; planes && i < ELEMENTS; i++) {
          assertThat(cell[i]).isEqualTo(expected.value()[2 * i]);
          assertThat(cell[ELEMENTS + i]).isEqualTo(expected.value()[2 * i + 1]);
        }
        KvBlock read = KvCells.block(row);
        assertThat(read).usingRecursiveComparison().isEqualTo(expected);
        assertThat(read.intact()).isTrue();
      }
    }
  }

  @Test
  void blocksWhoseScalesDoNotFitTheirTypeAreNotWritten() throws Exception {
    try (OutputFolder folder = open(KvDtype.FP8, "r1");
        TableWriters writers =
            TableWriters.open(Outputs.CONF, folder.writerOptions(1, KvCompression.ZSTD, 1), 0, 1)) {
      byte[] cell = new byte[ELEMENTS];
      KvBlock none = new KvBlock(1, 2, 0, TOKENS, KvDtype.FP8, cell, cell, 0);
      assertThatThrownBy(() -> writers.kv("d", none))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage(
              "Cannot write layer 1, block 2 of 'd' as fp8: its key has 0 bytes of scales, its"
                  + " value 0");
      byte[] scales = new byte[4];
      KvBlock some = new KvBlock(1, 2, 0, TOKENS, KvDtype.BF16, cell, cell, scales, scales, 0);
      assertThatThrownBy(() -> writers.kv("d", some)).hasMessageContaining("4 bytes of scales");
    }
  }

  private static Group version1(KvBlock block) {
    return new SimpleGroup(VERSION_1)
        .append("doc_id", "d")
        .append("layer", block.layer())
        .append("block", block.block())
        .append("token_start", block.tokenStart())
        .append("token_count", block.tokenCount())
        .append("dtype", block.dtype().label())
        .append("key", Binary.fromConstantByteArray(block.key()))
        .append("value", Binary.fromConstantByteArray(block.value()))
        .append("crc32c", block.crc32c())
        .append("run_id", "r1");
  }

  /** Oracle: a file with the columns of format version 1, from parquet-java's example writer. */
  @Test
  @SuppressWarnings("deprecation") // the Path builder is the shortest independent way
  void filesOfFormatVersion1AreRead() throws Exception {
    Path file = temp.resolve("old.parquet");
    try (ParquetWriter<Group> writer =
        ExampleParquetWriter.builder(new org.apache.hadoop.fs.Path(file.toUri()))
            .withType(VERSION_1)
            .build()) {
      writer.write(version1(block(KvDtype.FP16, 0)));
      writer.write(version1(block(KvDtype.FP16, 1)));
    }
    Storage storage = new Storage(Outputs.CONF, temp.toString());
    for (FilterCompat.Filter filter :
        new FilterCompat.Filter[] {FilterCompat.NOOP, StoredDocument.rowsOf("d", "r1")}) {
      try (StoredRows rows = StoredRows.open(storage, "old.parquet", Table.KV.parquet(), filter)) {
        for (int layer = 0; layer < 2; layer++) {
          assertThat(KvCells.block(rows.next()))
              .usingRecursiveComparison()
              .isEqualTo(block(KvDtype.FP16, layer));
        }
        assertThat(rows.next()).isNull();
      }
    }
  }

  /** Oracle: the manifest of the older program is this one's with the number 1. */
  @Test
  void aFolderOfFormatVersion1IsContinuedAsVersion2() throws Exception {
    write(KvDtype.BF16, KvCompression.ZSTD);
    Path manifest = out.resolve("manifest.json");
    String text = Files.readString(manifest);
    assertThat(text).contains("\"format_version\" : 2");
    Files.writeString(manifest, text.replace("\"format_version\" : 2", "\"format_version\" : 1"));
    assertThat(Inspection.manifest(Outputs.CONF, out.toString()).formatVersion()).isEqualTo(1);
    try (OutputFolder folder = open(KvDtype.BF16, "r2")) {
      folder.commitWave(
          1,
          List.of(
              TaskOutput.ofDocuments(
                  List.of(Outputs.row(folder, "e", 0, DocumentStatus.SKIPPED)))));
    }
    assertThat(Files.readString(manifest)).contains("\"format_version\" : 2");
  }

  @Test
  void whatCannotBeDecodedNamesLayerAndBlock() {
    SimpleGroup row = new SimpleGroup(Table.KV.parquet());
    byte[] odd = new byte[7];
    row.append("doc_id", "d").append("layer", 3).append("block", 4).append("token_start", 0);
    row.append("token_count", 1).append("dtype", "bf16");
    row.append("key", Binary.fromConstantByteArray(odd));
    row.append("value", Binary.fromConstantByteArray(odd)).append("crc32c", 0L);
    row.append("run_id", "r");
    assertThat(KvCells.block(row).key()).as("plain bytes are what they are").isEqualTo(odd);
    SimpleGroup planes = new SimpleGroup(Table.KV.parquet());
    copy(row, planes);
    planes.append("encoding", "planes");
    assertThatThrownBy(() -> KvCells.block(planes))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("Cannot read layer 3, block 4: Cannot take 7 bytes for numbers of two");
    SimpleGroup unknown = new SimpleGroup(Table.KV.parquet());
    copy(row, unknown);
    unknown.append("encoding", "delta");
    assertThatThrownBy(() -> KvCells.block(unknown))
        .hasMessageContaining("layer 3, block 4: Unknown encoding 'delta'")
        .hasMessageContaining("plain and planes");
  }

  /** Oracle: a file from parquet-java's example writer, with an encoding that nobody knows. */
  @Test
  @SuppressWarnings("deprecation") // the Path builder is the shortest independent way
  void cellsThatCannotBeDecodedAreAnErrorOfTheirFile() throws Exception {
    SimpleGroup row = new SimpleGroup(Table.KV.parquet());
    row.append("doc_id", "d").append("layer", 0).append("block", 0).append("token_start", 0);
    row.append("token_count", 1).append("dtype", "bf16").append("encoding", "delta");
    row.append("key", Binary.fromConstantByteArray(new byte[4]));
    row.append("value", Binary.fromConstantByteArray(new byte[4])).append("crc32c", 0L);
    row.append("run_id", "r1");
    Path file = temp.resolve("new.parquet");
    try (ParquetWriter<Group> writer =
        ExampleParquetWriter.builder(new org.apache.hadoop.fs.Path(file.toUri()))
            .withType(Table.KV.parquet())
            .build()) {
      writer.write(row);
    }
    String message = "Cannot read layer 0, block 0: Unknown encoding 'delta'";
    Storage storage = new Storage(Outputs.CONF, temp.toString());
    try (StoredDocument rows = new StoredDocument(storage, "d", "r1", List.of("new.parquet"))) {
      assertThatThrownBy(rows::next)
          .isInstanceOf(IOException.class)
          .hasMessageContaining("new.parquet: " + message);
    }
    Object[] facts = KvCheck.facts(row);
    assertThat((String) facts[facts.length - 1]).as("verify's").startsWith(message);
  }

  private static void copy(SimpleGroup from, SimpleGroup to) {
    for (String column : List.of("layer", "block", "token_start", "token_count")) {
      to.append(column, from.getInteger(column, 0));
    }
    to.append("dtype", from.getString("dtype", 0)).append("crc32c", 0L);
    to.append("key", from.getBinary("key", 0)).append("value", from.getBinary("value", 0));
  }
}
