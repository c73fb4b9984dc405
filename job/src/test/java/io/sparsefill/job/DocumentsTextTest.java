package io.sparsefill.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.FileNotFoundException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Text files through Spark. Oracle: what {@link Files} reads. */
class DocumentsTextTest {
  @TempDir Path folder;

  private static Map<String, Document> byId(List<Document> documents) {
    return documents.stream().collect(Collectors.toMap(Document::docId, Function.identity()));
  }

  @Test
  void novelsAmongBrokenFiles() throws Exception {
    Path texts = Path.of(System.getProperty("sparsefill.texts", "texts"));
    if (!Files.isDirectory(texts)) {
      System.out.println("skipped: no texts at " + texts);
    }
    assumeTrue(Files.isDirectory(texts), () -> "skipped: no texts at " + texts);
    List<Path> novels;
    try (Stream<Path> files = Files.list(texts)) {
      novels = files.filter(f -> f.toString().endsWith(".txt")).sorted().toList();
    }
    for (Path novel : novels) {
      Files.copy(novel, folder.resolve(novel.getFileName()));
    }
    TestSpark.write(folder.resolve("z/bom.txt"), "\uFEFFmarked");
    TestSpark.write(folder.resolve("z/crlf.txt"), "a\r\nb\rc\n");
    TestSpark.write(folder.resolve("z/nul.txt"), "ab\0cd");
    TestSpark.write(
        folder.resolve("z/latin1.txt"), "caf\u00E9 au lait".getBytes(StandardCharsets.ISO_8859_1));
    TestSpark.write(folder.resolve("z/utf16.txt"), "text".getBytes(StandardCharsets.UTF_16));
    TestSpark.write(folder.resolve("z/empty.txt"), "");
    TestSpark.write(folder.resolve("z/.hidden.txt"), "x");
    TestSpark.write(folder.resolve("z/_SUCCESS"), "");
    TestSpark.write(folder.resolve("_temporary/0/part.txt"), "x");

    List<Document> documents = TestSpark.read(TestSpark.input(folder, "text"));
    assertThat(documents).extracting(Document::docId).isSorted().hasSize(novels.size() + 6);
    Map<String, Document> found = byId(documents);
    for (Path novel : novels) {
      Document document = found.get(novel.getFileName().toString());
      String text = Files.readString(novel);
      boolean marked = text.startsWith("\uFEFF");
      assertThat(document.text()).isEqualTo(marked ? text.substring(1) : text);
      assertThat(document.error()).isNull();
      byte[] bytes = Files.readAllBytes(novel);
      assertThat(document.contentSha256())
          .isEqualTo(ContentHash.of(bytes, marked ? 3 : 0, bytes.length));
    }
    assertThat(found.get("z/bom.txt").text()).isEqualTo("marked");
    assertThat(found.get("z/crlf.txt").text()).isEqualTo("a\r\nb\rc\n");
    assertThat(found.get("z/nul.txt").error())
        .isEqualTo(
            ("Cannot read file:%s/z/nul.txt: byte 2 is NUL; it is not a text, or UTF-16: "
                    + "convert it to UTF-8")
                .formatted(folder));
    assertThat(found.get("z/latin1.txt").error()).contains("byte 3 (0xE9) is not valid UTF-8");
    assertThat(found.get("z/latin1.txt").contentSha256())
        .isEqualTo(
            ContentHash.of("caf\u00E9 au lait".getBytes(StandardCharsets.ISO_8859_1), 0, 12));
    assertThat(found.get("z/utf16.txt").error()).contains("FE FF, thus is UTF-16");
    assertThat(found.get("z/empty.txt").error()).endsWith("it is empty");
  }

  @Test
  void oneFileIsOneDocumentWhateverItsName() throws Exception {
    Path file = TestSpark.write(folder.resolve("_named.anyhow"), "x");
    assertThat(TestSpark.read(TestSpark.input(file, "text")))
        .singleElement()
        .satisfies(
            d -> {
              assertThat(d.docId()).isEqualTo("_named.anyhow");
              assertThat(d.source()).isEqualTo("file:" + file);
              assertThat(d.text()).isEqualTo("x");
            });
  }

  @Test
  void strangeFileNames() throws Exception {
    List<String> names =
        List.of(
            "a b.txt",
            "a%20b.txt",
            "colon:name.txt",
            "new\nline.txt",
            "quo\"te'.txt",
            "star*[x]?.txt",
            "ünï/中文 \uD83D\uDE00.txt",
            "n".repeat(240) + "/" + "m".repeat(60) + ".txt");
    for (String name : names) {
      TestSpark.write(folder.resolve(name), "text of " + name);
    }
    Map<String, Document> found = byId(TestSpark.read(TestSpark.input(folder, "text")));
    assertThat(found).containsOnlyKeys(names);
    found.forEach((name, document) -> assertThat(document.text()).isEqualTo("text of " + name));
  }

  @Test
  void compressedTextIsDecompressedAndATornOneIsAnErrorOfItsOwn() throws Exception {
    Path good = folder.resolve("good.txt.gz");
    try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(good))) {
      out.write("packed ".repeat(10_000).getBytes(StandardCharsets.UTF_8));
    }
    byte[] bytes = Files.readAllBytes(good);
    TestSpark.write(
        folder.resolve("torn.txt.gz"), java.util.Arrays.copyOf(bytes, bytes.length / 2));
    Map<String, Document> found = byId(TestSpark.read(TestSpark.input(folder, null)));
    assertThat(found.get("good.txt.gz").text()).isEqualTo("packed ".repeat(10_000));
    assertThat(found.get("torn.txt.gz").error()).startsWith("Cannot read file:");
    assertThat(found).hasSize(2);
  }

  @Test
  void fileAboveTheLimitOfAJavaString() throws Exception {
    Path large = folder.resolve("large.txt");
    try (RandomAccessFile file = new RandomAccessFile(large.toFile(), "rw")) {
      file.setLength(3L << 30); // sparse
    }
    TestSpark.write(folder.resolve("small.txt"), "x");
    Map<String, Document> found = byId(TestSpark.read(TestSpark.input(folder, "text")));
    assertThat(found.get("large.txt").error())
        .contains("it has 3221225472 bytes, and a document may have 1073741823 at most");
    assertThat(found.get("small.txt").text()).isEqualTo("x");
  }

  @Test
  void fileThatVanishesAfterTheListing() throws Exception {
    Path gone = TestSpark.write(folder.resolve("gone.txt"), "x");
    Path shorter = TestSpark.write(folder.resolve("shorter.txt"), "xyz");
    TestSpark.write(folder.resolve("stays.txt"), "x");
    var documents = Documents.read(TestSpark.session(), TestSpark.input(folder, "text"));
    Files.delete(gone);
    Files.writeString(shorter, "x");
    List<String> errors = documents.map(d -> String.valueOf(d.error())).collect();
    assertThat(errors.get(0)).contains("gone.txt");
    assertThat(errors.get(1)).contains("it had 3 bytes when the input was listed and has 1 now");
    assertThat(errors.get(2)).isEqualTo("null");
  }

  @Test
  void limitIsTheFirstInSourceOrder() throws Exception {
    for (int i = 10; i < 40; i++) {
      TestSpark.write(folder.resolve(i + ".txt"), "x" + i);
    }
    for (int limit : new int[] {1, 7, 29, 30, 31}) {
      InputOptions in = new InputOptions(folder.toString(), "text", null, null, null, limit, null);
      assertThat(TestSpark.read(in))
          .extracting(Document::docId)
          .isEqualTo(
              Stream.iterate(10, i -> i + 1)
                  .limit(Math.min(limit, 30))
                  .map(i -> i + ".txt")
                  .toList());
    }
  }

  @Test
  void formatIsToldByTheNamesOrAskedFor() throws Exception {
    Path texts = folder.resolve("texts");
    TestSpark.write(texts.resolve("a.txt"), "a");
    TestSpark.write(texts.resolve("b.MD"), "b");
    assertThat(TestSpark.read(TestSpark.input(texts, null))).hasSize(2);

    Path mixed = folder.resolve("mixed");
    TestSpark.write(mixed.resolve("a.txt"), "a");
    TestSpark.write(mixed.resolve("b.jsonl"), "{}");
    assertThatThrownBy(() -> TestSpark.read(TestSpark.input(mixed, null)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("it holds text ('a.txt'), jsonl ('b.jsonl'); give --format");

    Path unknown = TestSpark.write(folder.resolve("unknown/noending"), "a");
    assertThatThrownBy(() -> TestSpark.read(TestSpark.input(unknown, null)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("the name of 'noending' does not say it")
        .hasMessageContaining("give --format");
  }

  @Test
  void inputThatIsNotThere() throws Exception {
    assertThatThrownBy(() -> TestSpark.read(TestSpark.input(folder.resolve("no"), "text")))
        .isInstanceOf(FileNotFoundException.class)
        .hasMessageContaining("no such file or folder; check --input");
    Path empty = Files.createDirectory(folder.resolve("empty"));
    TestSpark.write(empty.resolve("_SUCCESS"), "");
    assertThatThrownBy(() -> TestSpark.read(TestSpark.input(empty, "text")))
        .isInstanceOf(FileNotFoundException.class)
        .hasMessageContaining("the folder holds no file");
  }

  @Test
  void optionsAreChecked() {
    assertThatThrownBy(() -> TestSpark.input("x", "csv"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("unknown format 'csv'; accepted are text, jsonl, parquet, table");
    assertThatThrownBy(() -> new InputOptions("x", null, null, null, null, 0, null))
        .hasMessageContaining("limit is 0");
    assertThatThrownBy(() -> new InputOptions("x", null, "text", null, null, null, null))
        .hasMessageContaining("must differ");
  }
}
