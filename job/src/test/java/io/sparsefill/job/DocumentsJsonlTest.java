package io.sparsefill.job;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** JSONL through Spark. Oracle: the values that Jackson wrote into the files. */
class DocumentsJsonlTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path folder;

  @Test
  void corruptLinesHarmNoOthers() throws Exception {
    ByteArrayOutputStream content = new ByteArrayOutputStream();
    content.writeBytes(new byte[] {(byte) 0xEF, (byte) 0xBB, (byte) 0xBF});
    content.writeBytes(line("{\"doc_id\":\"first\",\"text\":\"one\"}\n"));
    content.writeBytes(line("\n  \t\r\n"));
    int cut = content.size();
    content.writeBytes(line("{\"doc_id\":\"cut\",\"text\":\"tw\n"));
    content.writeBytes(line("{\"text\":\"three\"}\r\n"));
    int invalid = content.size();
    content.writeBytes(line("{\"doc_id\":\"bad\",\"text\":\""));
    content.write(0xC3);
    content.writeBytes(line("\"}\n"));
    int empty = content.size();
    content.writeBytes(line("{\"doc_id\":\"empty\",\"text\":\"\"}\n"));
    content.writeBytes(line("{\"doc_id\":7,\"token_ids\":[5,6,7]}\n"));
    content.writeBytes(line("{\"doc_id\":\"last\",\"text\":\"no line end\"}"));
    Path file = TestSpark.write(folder.resolve("sub/a.jsonl"), content.toByteArray());

    List<Document> documents = TestSpark.read(TestSpark.input(folder, null));
    assertThat(documents)
        .extracting(Document::docId)
        .containsExactly(
            "first",
            "cut",
            "sub/a.jsonl#" + (cut + 27),
            "sub/a.jsonl#" + invalid,
            "empty",
            "7",
            "last");
    assertThat(documents)
        .extracting(Document::text)
        .containsExactly("one", null, "three", null, null, null, "no line end");
    assertThat(documents.get(5).tokenIds()).containsExactly(5, 6, 7);
    assertThat(documents.get(1).error())
        .startsWith("Cannot read file:%s, byte %d: corrupt JSON".formatted(file, cut));
    assertThat(documents.get(1).source()).isEqualTo("file:%s, byte %d".formatted(file, cut));
    assertThat(documents.get(3).error()).contains("byte 24 (0xC3) is not valid UTF-8");
    assertThat(documents.get(4).error())
        .isEqualTo("Cannot read file:%s, byte %d: it is empty".formatted(file, empty));
  }

  private static byte[] line(String line) {
    return line.getBytes(StandardCharsets.UTF_8);
  }

  @Test
  void strangeNamesAndOtherColumns() throws Exception {
    List<String> names =
        List.of("new\nline", "quo\"te'", "中文 \uD83D\uDE00", "i".repeat(300), " ", "a/b", "..");
    StringBuilder content = new StringBuilder();
    for (String name : names) {
      content.append(
          JSON.writeValueAsString(
              JSON.createObjectNode().put("key", name).put("body", "of " + name)));
      content.append('\n');
    }
    Path file = TestSpark.write(folder.resolve("x.ndjson"), content.toString());
    InputOptions in = new InputOptions(file.toString(), null, "key", "body", null, null, null);
    List<Document> documents = TestSpark.read(in);
    assertThat(documents).extracting(Document::docId).isEqualTo(names);
    assertThat(documents)
        .extracting(Document::text)
        .isEqualTo(names.stream().map(n -> "of " + n).toList());
    InputOptions misspelt =
        new InputOptions(file.toString(), null, "kay", "body", null, null, null);
    assertThat(TestSpark.read(misspelt))
        .hasSameSizeAs(names)
        .allSatisfy(
            d ->
                assertThat(d.error())
                    .endsWith("there is no column 'kay', but: key, body; check --id-column"));
  }

  @Test
  void manySplitsGiveEveryLineOnceAndInOrder() throws Exception {
    // More than one 32 MiB split, so that lines lie across their borders.
    Random random = new Random(5);
    List<String> ids = new ArrayList<>();
    Path file = folder.resolve("big.jsonl");
    try (OutputStream out = Files.newOutputStream(file)) {
      for (int i = 0; Files.size(file) < (70L << 20); i++) {
        ids.add("d" + i);
        String text = "x".repeat(random.nextInt(400_000));
        out.write(line("{\"doc_id\":\"d%d\",\"text\":\"%s.\"}\n".formatted(i, text)));
      }
    }
    List<String> found =
        Documents.read(TestSpark.session(), TestSpark.input(file, null))
            .map(d -> d.error() == null ? d.docId() : d.error())
            .collect();
    assertThat(found).isEqualTo(ids);
  }

  @Test
  void gzipWorksAndATornOneGivesWhatItHasAndOneError() throws Exception {
    ByteArrayOutputStream packed = new ByteArrayOutputStream();
    Random random = new Random(3);
    try (OutputStream out = new GZIPOutputStream(packed)) {
      for (int i = 0; i < 2000; i++) {
        out.write(line("{\"doc_id\":\"%d\",\"text\":\"%d\"}\n".formatted(i, random.nextLong())));
      }
    }
    byte[] bytes = packed.toByteArray();
    TestSpark.write(folder.resolve("a.jsonl.gz"), bytes);
    TestSpark.write(folder.resolve("b.jsonl.gz"), Arrays.copyOf(bytes, bytes.length / 2));
    TestSpark.write(folder.resolve("c.jsonl"), "{\"doc_id\":\"c\",\"text\":\"x\"}");
    List<Document> documents = TestSpark.read(TestSpark.input(folder, null));
    assertThat(documents.subList(0, 2000)).allMatch(d -> d.error() == null);
    List<Document> torn = documents.subList(2000, documents.size() - 1);
    assertThat(torn).hasSizeBetween(100, 1900);
    assertThat(torn.subList(0, torn.size() - 1)).allMatch(d -> d.error() == null);
    assertThat(torn.get(torn.size() - 1).error())
        .contains("b.jsonl.gz, byte ")
        .contains("nothing from here on can be read: ");
    assertThat(documents.get(documents.size() - 1).docId()).isEqualTo("c");
  }

  @Test
  void limitCountsErrorRowsToo() throws Exception {
    for (int file = 0; file < 5; file++) {
      StringBuilder lines = new StringBuilder();
      for (int i = 0; i < 10; i++) {
        lines.append(i % 3 == 1 ? "broken\n" : "{\"text\":\"%d-%d\"}\n".formatted(file, i));
      }
      TestSpark.write(folder.resolve(file + ".jsonl"), lines.toString());
    }
    List<String> all = ids(new InputOptions(folder.toString(), null, null, null, null, null, null));
    assertThat(all).hasSize(50);
    for (int limit : new int[] {1, 9, 10, 11, 35, 50, 51}) {
      assertThat(ids(new InputOptions(folder.toString(), null, null, null, null, limit, null)))
          .isEqualTo(all.subList(0, Math.min(limit, 50)));
    }
  }

  private static List<String> ids(InputOptions in) throws Exception {
    return TestSpark.read(in).stream().map(Document::docId).toList();
  }
}
