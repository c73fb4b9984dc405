package io.sparsefill.job;

import static org.apache.parquet.schema.LogicalTypeAnnotation.stringType;
import static org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName.BINARY;
import static org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName.DOUBLE;
import static org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName.INT32;
import static org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName.INT64;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiConsumer;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.SimpleGroupFactory;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.ParquetFileWriter;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.example.ExampleParquetWriter;
import org.apache.parquet.hadoop.metadata.BlockMetaData;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.io.LocalInputFile;
import org.apache.parquet.io.LocalOutputFile;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.Types;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Parquet through Spark. Oracles: PyArrow, Spark and parquet-java's example writer as writers. */
class DocumentsParquetTest {
  private static final MessageType ID_TEXT =
      Types.buildMessage()
          .required(BINARY)
          .as(stringType())
          .named("doc_id")
          .required(BINARY)
          .as(stringType())
          .named("text")
          .optional(DOUBLE)
          .named("weight")
          .named("rows");

  @TempDir Path folder;

  /** Writes row i by a function; row groups hold {@code rowsPerGroup} rows. */
  private static Path write(
      Path file, MessageType schema, int rows, int rowsPerGroup, BiConsumer<Group, Integer> fill)
      throws IOException {
    Files.createDirectories(file.getParent());
    try (ParquetWriter<Group> out =
        ExampleParquetWriter.builder(new LocalOutputFile(file))
            .withType(schema)
            .withConf(new Configuration(false))
            .withWriteMode(ParquetFileWriter.Mode.CREATE)
            .withCompressionCodec(CompressionCodecName.UNCOMPRESSED)
            .withDictionaryEncoding(false)
            .withPageSize(4096)
            // A row group ends at the first size check: every so many rows.
            .withRowGroupSize(1L)
            .withMinRowCountForPageSizeCheck(rowsPerGroup)
            .withMaxRowCountForPageSizeCheck(rowsPerGroup)
            .build()) {
      SimpleGroupFactory groups = new SimpleGroupFactory(schema);
      for (int i = 0; i < rows; i++) {
        Group row = groups.newGroup();
        fill.accept(row, i);
        out.write(row);
      }
    }
    return file;
  }

  private static Path writeTexts(Path file, int rows, int rowsPerGroup) throws IOException {
    String name = file.getFileName().toString();
    return write(
        file,
        ID_TEXT,
        rows,
        rowsPerGroup,
        (row, i) -> row.append("doc_id", name + i).append("text", text(i)).append("weight", 0.5));
  }

  private static String text(int i) {
    return "text %d ".formatted(i).repeat(60);
  }

  @Test
  void truncatedAndFlippedFilesHarmNoOthers() throws Exception {
    writeTexts(folder.resolve("a.parquet"), 20, 10);
    Path flipped = writeTexts(folder.resolve("b.parquet"), 30, 10);
    Path truncated = writeTexts(folder.resolve("c.parquet"), 20, 10);
    TestSpark.write(folder.resolve("d.parquet"), "this is no Parquet file, but text");
    TestSpark.write(folder.resolve("e.parquet"), "");
    writeTexts(folder.resolve("f.parquet"), 5, 10);
    flipInRowGroup(flipped, 1);
    byte[] bytes = Files.readAllBytes(truncated);
    Files.write(truncated, Arrays.copyOf(bytes, bytes.length * 2 / 3));

    List<Document> documents = TestSpark.read(TestSpark.input(folder, "parquet"));
    List<Document> good = documents.stream().filter(d -> d.error() == null).toList();
    assertThat(good).hasSize(20 + 20 + 5);
    for (Document document : good) {
      int i = Integer.parseInt(document.docId().substring("a.parquet".length()));
      assertThat(document.text()).isEqualTo(text(i));
    }
    assertThat(good)
        .extracting(Document::docId)
        .contains("b.parquet9", "b.parquet20")
        .doesNotContain("b.parquet10", "b.parquet19");
    List<Document> bad = documents.stream().filter(d -> d.error() != null).toList();
    assertThat(bad)
        .extracting(Document::docId)
        .containsExactly("b.parquet#10", "c.parquet", "d.parquet", "e.parquet");
    assertThat(bad.get(0).source()).isEqualTo("file:%s, row group 1, row 10".formatted(flipped));
    assertThat(bad.get(0).error())
        .contains("this row and the rest of the row group cannot be read");
    assertThat(bad.get(1).error())
        .startsWith("Cannot read file:%s: ".formatted(truncated))
        .contains("Parquet");
  }

  /** Flips bytes in the middle of the text column's pages. */
  private static void flipInRowGroup(Path file, int rowGroup) throws IOException {
    BlockMetaData block;
    try (ParquetFileReader reader = ParquetFileReader.open(new LocalInputFile(file))) {
      block = reader.getRowGroups().get(rowGroup);
    }
    long start = block.getColumns().get(1).getStartingPos();
    int middle = (int) (start + block.getColumns().get(1).getTotalSize() / 2);
    byte[] bytes = Files.readAllBytes(file);
    for (int i = middle; i < middle + 8; i++) {
      bytes[i] ^= 0x15;
    }
    Files.write(file, bytes);
  }

  @Test
  void aFlippedByteWhereverItIsIsNeverThrown() throws Exception {
    Path checked = writeTexts(folder.resolve("checked.parquet"), 6, 3);
    flipEverywhere(checked, new DocumentColumns("doc_id", "text", "token_ids", null), 7, 0x5A);
    // PyArrow writes no checksums, so decoders meet the damage: zstd, dictionaries, lists.
    Path unchecked = pyArrow();
    flipEverywhere(unchecked, new DocumentColumns("number", "body", "ids", null), 5, 0x80);
    flipEverywhere(unchecked, new DocumentColumns("number", "body", "ids", null), 3, 0xFF);
  }

  private void flipEverywhere(Path file, DocumentColumns names, int step, int mask)
      throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    Configuration conf = new Configuration();
    int rows = 6;
    for (int at = 0; at < bytes.length; at += step) {
      byte[] broken = bytes.clone();
      broken[at] ^= (byte) mask;
      Path copy = Files.write(folder.resolve("broken.parquet"), broken);
      InputFile input = InputFile.list(conf, copy.toString()).get(0);
      int errors = 0;
      int good = 0;
      for (ParquetPart part : ParquetPart.of(conf, names, input)) {
        try (ParquetRowGroupReader reader = new ParquetRowGroupReader(conf, names, part)) {
          for (Document d = reader.next(); d != null; d = reader.next()) {
            errors += d.error() == null ? 0 : 1;
            good += d.error() == null ? 1 : 0;
          }
        }
      }
      assertThat(errors > 0 || good == rows).as("%s, byte %d", file, at).isTrue();
    }
  }

  private Path pyArrow() throws IOException {
    Path file = folder.resolve("pyarrow.parquet");
    try (InputStream in = getClass().getResourceAsStream("pyarrow-documents.parquet")) {
      Files.copy(in, file);
    }
    return file;
  }

  @Test
  void filesOfPyArrow() throws Exception {
    Path file = pyArrow();
    InputOptions in = new InputOptions(file.toString(), null, "number", "body", "ids", null, null);
    List<Document> documents = TestSpark.read(in);
    assertThat(documents)
        .extracting(Document::docId)
        .containsExactly("7", "-8", "9", "10", "11", "12");
    assertThat(documents.get(0).text()).isEqualTo("plain");
    assertThat(documents.get(1).text()).isEqualTo("Zoë 中文 \uD83D\uDE00\r\n");
    assertThat(documents.get(2).tokenIds()).containsExactly(1, 2, 3);
    assertThat(documents.get(3).error()).endsWith("row group 0, row 3: it is empty");
    assertThat(documents.get(4).error())
        .contains("row group 1, row 4: token 1 of column 'ids' is null");
    assertThat(documents.get(5).error()).endsWith("it has no token ids");

    InputOptions unsigned = new InputOptions(file.toString(), null, null, "body", "ids32", 2, null);
    documents = TestSpark.read(unsigned);
    assertThat(documents.get(0).error()).contains("token 1 of column 'ids32' is 4294967295");
    assertThat(documents.get(0).docId()).isEqualTo("pyarrow.parquet#0");
    assertThat(documents.get(1).tokenIds()).containsExactly(1);

    InputOptions misspelt =
        new InputOptions(file.toString(), null, "nummer", "body", "ids", null, null);
    assertThat(TestSpark.read(misspelt))
        .singleElement()
        .satisfies(d -> assertThat(d.error()).contains("there is no column 'nummer', but: "));
  }

  @Test
  void filesOfSpark() throws Exception {
    SparkSession spark = TestSpark.session();
    String out = folder.resolve("spark").toString();
    spark
        .sql(
            "select id, concat('t', id) as text, "
                + "case when id % 2 = 0 then transform(sequence(0, id), x -> cast(x as int)) end "
                + "as token_ids from range(1, 41)")
        .repartition(3)
        .write()
        .parquet(out);
    InputOptions in = new InputOptions(out, null, "id", null, null, null, null);
    List<Document> documents = TestSpark.read(in);
    assertThat(documents).hasSize(40).allMatch(d -> d.error() == null);
    for (Document document : documents) {
      int id = Integer.parseInt(document.docId());
      if (id % 2 == 0) {
        assertThat(document.tokenIds()).hasSize(id + 1).startsWith(0, 1, 2).endsWith(id);
      } else {
        assertThat(document.text()).isEqualTo("t" + id);
      }
    }
  }

  @Test
  void twoLevelLists() throws Exception {
    MessageType schema =
        Types.buildMessage()
            .optionalList()
            .requiredElement(INT64)
            .named("three")
            .optionalGroup()
            .repeated(INT32)
            .named("array")
            .named("token_ids")
            .named("rows");
    Path file =
        write(
            folder.resolve("old.parquet"),
            schema,
            2,
            10,
            (row, i) -> row.addGroup("token_ids").append("array", i).append("array", 9));
    List<Document> documents = TestSpark.read(TestSpark.input(file, null));
    assertThat(documents.get(0).tokenIds()).containsExactly(0, 9);
    assertThat(documents.get(1).tokenIds()).containsExactly(1, 9);
  }

  @Test
  void columnsThatAreMissingOrOfAnotherTypeAreOneErrorPerFile() throws Exception {
    writeTexts(folder.resolve("a.parquet"), 3, 10);
    MessageType noText =
        Types.buildMessage()
            .required(BINARY)
            .as(stringType())
            .named("doc_id")
            .required(BINARY)
            .as(stringType())
            .named("content")
            .named("rows");
    write(
        folder.resolve("b.parquet"),
        noText,
        4,
        10,
        (row, i) -> row.append("doc_id", "b" + i).append("content", "x"));
    MessageType numbers =
        Types.buildMessage()
            .required(DOUBLE)
            .named("doc_id")
            .required(BINARY)
            .named("text")
            .named("rows");
    write(
        folder.resolve("c.parquet"),
        numbers,
        4,
        10,
        (row, i) -> row.append("doc_id", 0.5 * i).append("text", "x"));
    List<Document> documents = TestSpark.read(TestSpark.input(folder, null));
    assertThat(documents).hasSize(5);
    assertThat(documents.get(3).error())
        .isEqualTo(
            ("Cannot read file:%s/b.parquet: there is no column 'text' and no column 'token_ids', "
                    + "but: doc_id, content; name one with --text-column or --tokens-column")
                .formatted(folder));
    assertThat(documents.get(4).error())
        .contains(
            "column 'doc_id' has the type 'required double doc_id'; a string or integer is needed");
  }

  @Test
  void invalidUtf8AndNulInCells() throws Exception {
    List<byte[]> cells =
        List.of(
            new byte[] {'o', 'k'},
            new byte[] {'a', (byte) 0xFF},
            new byte[] {0},
            "\uFEFFmarked".getBytes(StandardCharsets.UTF_8));
    Path file =
        write(
            folder.resolve("x.parquet"),
            ID_TEXT,
            cells.size(),
            10,
            (row, i) -> {
              row.append("doc_id", "i\"\n" + i);
              row.append("text", Binary.fromConstantByteArray(cells.get(i)));
            });
    List<Document> documents = TestSpark.read(TestSpark.input(file, null));
    assertThat(documents)
        .extracting(Document::docId)
        .containsExactly("i\"\n0", "i\"\n1", "i\"\n2", "i\"\n3");
    assertThat(documents.get(0).text()).isEqualTo("ok");
    assertThat(documents.get(1).error()).contains("row 1: byte 1 (0xFF) is not valid UTF-8");
    assertThat(documents.get(2).error()).contains("row 2: byte 0 is NUL");
    assertThat(documents.get(3).text()).isEqualTo("marked");
  }

  @Test
  void limitReachesAcrossRowGroups() throws Exception {
    writeTexts(folder.resolve("a.parquet"), 7, 3);
    writeTexts(folder.resolve("b.parquet"), 7, 3);
    for (int limit : new int[] {1, 3, 4, 8, 14, 15}) {
      List<Document> documents =
          TestSpark.read(new InputOptions(folder.toString(), null, null, null, null, limit, null));
      assertThat(documents).hasSize(Math.min(limit, 14));
      assertThat(documents.get(documents.size() - 1).docId())
          .isEqualTo(
              limit > 7 ? "b.parquet" + (Math.min(limit, 14) - 8) : "a.parquet" + (limit - 1));
    }
  }
}
