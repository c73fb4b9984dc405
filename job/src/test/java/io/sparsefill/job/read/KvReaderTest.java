package io.sparsefill.job.read;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.DocumentStatus;
import io.sparsefill.job.output.OutputRefused;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.KvBlock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The oracle is what was handed to the job's writers, {@link SyntheticRun}. */
class KvReaderTest {
  @TempDir Path temp;

  private Path out;

  @BeforeEach
  void nameOutput() {
    out = temp.resolve("out");
  }

  private static void assertSame(KvBlock found, KvBlock written) {
    assertThat(List.of(found.layer(), found.block(), found.tokenStart(), found.tokenCount()))
        .isEqualTo(
            List.of(written.layer(), written.block(), written.tokenStart(), written.tokenCount()));
    assertThat(found.key()).isEqualTo(written.key());
    assertThat(found.value()).isEqualTo(written.value());
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void layersBlocksAndTokensAreThoseThatWereWritten(int lanes) throws Exception {
    Map<String, Integer> documents = Map.of("a", 1, "b/ü", 16, "c", 16 * 7 + 5, "d", 33);
    try (SyntheticRun run = SyntheticRun.open(out, "r1")) {
      run.commit(lanes, documents);
    }
    KvReader reader = KvReader.open(out.toString());
    assertThat(reader.documents()).containsExactly("a", "b/ü", "c", "d");
    for (Map.Entry<String, Integer> document : documents.entrySet()) {
      String docId = document.getKey();
      StoredCache cache = reader.document(docId);
      CacheShape shape = cache.shape();
      assertThat(shape).isEqualTo(new CacheShape(document.getValue(), 4, 2, 8, 16, KvDtype.BF16));
      assertThat(cache.runId()).isEqualTo("r1");
      assertThat(cache.tokenIds()).isEqualTo(SyntheticRun.tokens(docId, shape.tokens()));
      for (int l = 0; l < shape.layers(); l++) {
        LayerCache layer = cache.layer(l);
        try (KvBlocks blocks = cache.blocks(l)) {
          for (int b = 0; b < shape.blocks(); b++) {
            KvBlock written = SyntheticRun.block(docId, shape, l, b);
            assertSame(blocks.next(), written);
            assertSame(cache.block(l, b), written);
            int at = shape.blockStart(b) * shape.tokenBytes();
            int end = at + written.key().length;
            assertThat(Arrays.copyOfRange(layer.key(), at, end)).isEqualTo(written.key());
            assertThat(Arrays.copyOfRange(layer.value(), at, end)).isEqualTo(written.value());
          }
          assertThat(blocks.next()).isNull();
          assertThat(blocks.next()).isNull();
        }
      }
    }
  }

  @Test
  void fp8ComesWithItsScales() throws Exception {
    CacheShape sizes = new CacheShape(1, 2, 2, 8, 16, KvDtype.FP8);
    try (SyntheticRun run = SyntheticRun.open(out, "r1", sizes, SyntheticRun.identity(sizes))) {
      run.commit(2, Map.of("a", 40));
    }
    StoredCache cache = KvReader.open(out.toString()).document("a");
    LayerCache layer = cache.layer(1);
    assertThat(layer.keyScale()).hasSize(40 * 2 * 4);
    for (int b = 0; b < 3; b++) {
      KvBlock written = SyntheticRun.block("a", cache.shape(), 1, b);
      assertSame(cache.block(1, b), written);
      assertThat(cache.block(1, b).valueScale()).isEqualTo(written.valueScale());
      int at = b * 16 * 2 * 4;
      int end = at + written.keyScale().length;
      assertThat(Arrays.copyOfRange(layer.keyScale(), at, end)).isEqualTo(written.keyScale());
      assertThat(Arrays.copyOfRange(layer.valueScale(), at, end)).isEqualTo(written.valueScale());
    }
  }

  @Test
  void theNewestContentCounts() throws Exception {
    try (SyntheticRun run = SyntheticRun.open(out, "2026-01")) {
      run.commit(1, Map.of("a", 40, "b", 20)).commitRow("c", 9, DocumentStatus.OK, null);
    }
    try (SyntheticRun run = SyntheticRun.open(out, "2026-02")) {
      run.commit(2, Map.of("a", 55)).commitRow("b", 0, DocumentStatus.FAILED, "not UTF-8");
    }
    KvReader reader = KvReader.open(out.toString());
    assertThat(reader.documents()).containsExactly("a", "b", "c");
    assertThat(reader.document("a").runId()).isEqualTo("2026-02");
    assertThat(reader.document("a").tokenIds()).isEqualTo(SyntheticRun.tokens("a", 55));
    assertThat(reader.document("b").runId()).as("the later run failed").isEqualTo("2026-01");
    assertThat(reader.document("b").layer(3).key()).hasSize(20 * 2 * 8 * 2);
  }

  /**
   * One layer of one document out of four documents, four layers, two waves and two lanes of files.
   * A block has 256 KiB, so it is a page by itself, and a row group holds several documents. What a
   * reader may take besides: once, the footers of the wave's files, the documents table, and page
   * indexes.
   */
  @Test
  void onlyThePagesOfTheAskedLayerAreRead() throws Exception {
    CacheShape sizes = new CacheShape(1, 4, 8, 32, 256, KvDtype.BF16);
    try (SyntheticRun run = SyntheticRun.open(out, "r1", sizes, SyntheticRun.identity(sizes))) {
      run.commit(2, Map.of("a", 1024, "b", 1000)).commit(2, Map.of("c", 1024, "d", 1024));
    }
    long rest = 0;
    for (Path file : files("documents")) {
      rest += Files.size(file);
    }
    for (Path file : files("kv")) {
      rest += file.toString().contains("w00001") ? 2 * footer(file) : 0;
    }
    assertThat(rest).as("footers are small").isLessThan(64 << 10);
    CountingFileSystem.bytes();
    KvReader reader =
        KvReader.open("counted://" + out.toAbsolutePath(), CountingFileSystem.configuration());
    rest += CountingFileSystem.bytes(); // the manifest

    StoredCache cache = reader.document("b");
    long opened = CountingFileSystem.bytes();
    assertThat(opened).as("document").isLessThan(rest);
    LayerCache layer = cache.layer(2);
    long asked = 2L * layer.key().length;
    assertThat(asked).isEqualTo(1000L * 8 * 32 * 2 * 2);
    assertThat(CountingFileSystem.bytes() + opened).as("layer").isLessThan(asked * 12 / 10 + rest);

    cache.block(1, 3);
    assertThat(CountingFileSystem.bytes()).as("block").isLessThan(2L * 232 * 8 * 32 * 2 * 12 / 10);

    reader.document("a");
    assertThat(CountingFileSystem.bytes()).as("another, footers known").isLessThan(32 << 10);
  }

  private List<Path> files(String table) throws IOException {
    try (var files = Files.list(out.resolve(table))) {
      return files.toList();
    }
  }

  /** Bytes of a Parquet file's footer: its length stands before the last four bytes. */
  private static long footer(Path file) throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    int at = bytes.length - 8;
    return 8L
        + ((bytes[at] & 255)
            | (bytes[at + 1] & 255) << 8
            | (bytes[at + 2] & 255) << 16
            | (bytes[at + 3] & 255) << 24);
  }

  @Test
  void damageIsAnErrorThatNamesThePlace() throws Exception {
    try (SyntheticRun run = SyntheticRun.open(out, "r1")) {
      run.damaging(block -> block.layer() == 2 && block.block() == 1 ? flipped(block) : block)
          .commit(1, Map.of("flipped", 40));
      run.damaging(block -> block.layer() == 3 && block.block() == 2 ? null : block)
          .commit(1, Map.of("last gone", 40));
      run.damaging(block -> block.layer() == 0 && block.block() == 0 ? null : block)
          .commit(1, Map.of("first gone", 40));
      run.damaging(block -> block).forgetting(tokens -> null).commit(1, Map.of("no tokens", 40));
      run.forgetting(tokens -> Arrays.copyOf(tokens, 32)).commit(1, Map.of("few tokens", 40));
    }
    KvReader reader = KvReader.open(out.toString());
    StoredCache flipped = reader.document("flipped");
    assertThatThrownBy(() -> flipped.layer(2))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("'flipped' (run r1)")
        .hasMessageContaining("layer 2, block 1 of 3 has bytes that do not fit their crc32c")
        .hasMessageEndingWith("run verify");
    assertThatThrownBy(() -> flipped.block(2, 1)).hasMessageContaining("crc32c");
    assertThat(flipped.layer(1).tokens()).isEqualTo(40);
    assertThatThrownBy(() -> reader.document("last gone").layer(3))
        .hasMessageContaining("layer 3, block 2 of 3 is missing");
    assertThatThrownBy(() -> reader.document("first gone").layer(0))
        .hasMessageContaining("layer 0, block 0 of 3 is missing");
    assertThatThrownBy(() -> reader.document("no tokens").tokenIds())
        .hasMessageContaining("Cannot read the 40 tokens of 'no tokens' (run r1)")
        .hasMessageContaining("only the first 0");
    assertThatThrownBy(() -> reader.document("few tokens").tokenIds())
        .hasMessageContaining("only the first 32");
  }

  @Test
  void aFileThatIsDamagedIsAnErrorThatNamesThePlaceToo() throws Exception {
    try (SyntheticRun run = SyntheticRun.open(out, "r1")) {
      run.commit(1, Map.of("a", 40));
    }
    Path file = files("kv").get(0);
    byte[] bytes = Files.readAllBytes(file);
    Arrays.fill(bytes, 4, bytes.length - 8 - (int) footer(file), (byte) 0xff);
    Files.write(file, bytes);
    StoredCache cache = KvReader.open(out.toString()).document("a");
    assertThatThrownBy(() -> cache.layer(1))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("'a' (run r1)")
        .hasMessageContaining("layer 1, block 0 of 3 cannot be read: ")
        .hasCauseInstanceOf(IOException.class);
    assertThatThrownBy(() -> cache.block(2, 1))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("layer 2, block 1 of 3 cannot be read: ");
  }

  private static KvBlock flipped(KvBlock block) {
    byte[] key = block.key().clone();
    key[5] ^= 1;
    return new KvBlock(
        block.layer(),
        block.block(),
        block.tokenStart(),
        block.tokenCount(),
        block.dtype(),
        key,
        block.value(),
        block.crc32c());
  }

  @Test
  void whatThereIsNotIsNamed() throws Exception {
    try (SyntheticRun run = SyntheticRun.open(out, "r1")) {
      run.commit(1, Map.of("book one", 20, "book two", 20, "x", 20))
          .commitRow("bad", 0, DocumentStatus.FAILED, "a NUL byte")
          .commitRow("huge", 100_000_000, DocumentStatus.OK, null);
    }
    KvReader reader = KvReader.open(out.toString());
    assertThatThrownBy(() -> reader.document("book"))
        .isInstanceOf(OutputRefused.class)
        .hasMessageContaining("Cannot find document 'book' in")
        .hasMessageEndingWith("4 documents are there, such as 'book one', 'book two'");
    assertThatThrownBy(() -> reader.document("bad"))
        .hasMessageContaining("run r1 says failed: a NUL byte");
    assertThatThrownBy(() -> reader.document("x").layer(4))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("Cannot read layer 4 of 'x': there are 4, counted from 0");
    assertThatThrownBy(() -> reader.document("x").block(0, 2))
        .hasMessage("Cannot read block 2 of 'x': there are 2, counted from 0");
    assertThatThrownBy(() -> reader.document("huge").layer(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("3,200,000,000 bytes")
        .hasMessageContaining("block()");
    assertThatThrownBy(() -> KvReader.open(temp.resolve("none").toString()))
        .isInstanceOf(OutputRefused.class)
        .hasMessageContaining("there is no output in it");
  }

  @Test
  void aRunWithoutKeysAndValuesIsRefused() throws Exception {
    Map<String, String> identity = new TreeMap<>(SyntheticRun.identity(SyntheticRun.small()));
    identity.put("emit", "logits,nll");
    try (SyntheticRun run = SyntheticRun.open(out, "r1", SyntheticRun.small(), identity)) {
      run.commitRow("a", 5, DocumentStatus.OK, null);
    }
    assertThatThrownBy(() -> KvReader.open(out.toString()))
        .isInstanceOf(OutputRefused.class)
        .hasMessageContaining("its runs wrote --emit logits,nll");
  }

  @Test
  void aRunThatIsWritingShowsWhatItHasCommitted() throws Exception {
    try (SyntheticRun run = SyntheticRun.open(out, "r1")) {
      run.commit(1, Map.of("a", 20));
      KvReader reader = KvReader.open(out.toString());
      run.commit(1, Map.of("b", 20));
      assertThat(reader.documents()).containsExactly("a");
      assertThat(reader.document("a").layer(0).tokens()).isEqualTo(20);
      assertThat(KvReader.open(out.toString()).documents()).containsExactly("a", "b");
    }
  }
}
