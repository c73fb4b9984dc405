package io.sparsefill.job.output;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.udf.KvBlock;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.hadoop.api.ReadSupport;
import org.apache.parquet.schema.MessageType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Two documents in the files of one task; the oracle is what was handed to the writers. */
class StoredDocumentTest {
  private static final int TOKENS = 8 * 9 + 3;

  @TempDir Path temp;

  private Path out;

  @BeforeEach
  void nameOutput() {
    out = temp.resolve("out");
  }

  /** Writes in several lanes, with a file for each row or one for all of a lane. */
  private List<String> write(int lanes, long fileBytes) throws Exception {
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      WriterOptions options = folder.writerOptions(1, KvCompression.UNCOMPRESSED, lanes);
      try (TableWriters writers = TableWriters.open(Outputs.CONF, options, 0, 1, fileBytes)) {
        for (String docId : List.of("a", "b")) {
          for (KvBlock block : Outputs.blocks(docId, TOKENS)) {
            writers.kv(docId, block);
          }
        }
        return writers.finish(List.of()).files().stream()
            .map(StoredFile::path)
            .sorted(Comparator.reverseOrder()) // the order must not matter
            .map(path -> keep(path))
            .toList();
      }
    }
  }

  /** What is not committed goes with the folder's closing, so it is moved away. */
  private String keep(String path) {
    Path kept = out.resolve(path.replace('/', '-').replaceFirst("^_", ""));
    if (!out.resolve(path).toFile().renameTo(kept.toFile())) {
      throw new IllegalStateException("Cannot keep " + path);
    }
    return kept.getFileName().toString();
  }

  private static List<List<Integer>> places(List<KvBlock> blocks) {
    return blocks.stream().map(block -> List.of(block.layer(), block.block())).toList();
  }

  private List<KvBlock> read(StoredDocument stored) throws Exception {
    List<KvBlock> blocks = new ArrayList<>();
    try (stored) {
      for (KvBlock block = stored.next(); block != null; block = stored.next()) {
        blocks.add(block);
      }
      assertThat(stored.next()).as("after the last").isNull();
    }
    return blocks;
  }

  @ParameterizedTest
  @CsvSource({"1, 1000000", "1, 1", "4, 1000000", "4, 1"})
  void blocksOfAllFilesComeInOrder(int lanes, long fileBytes) throws Exception {
    List<String> files = write(lanes, fileBytes);
    assertThat(files).hasSize(fileBytes == 1 ? 40 : lanes);
    Storage storage = new Storage(Outputs.CONF, out.toString());
    for (String docId : List.of("a", "b")) {
      List<KvBlock> expected = Outputs.blocks(docId, TOKENS);
      List<KvBlock> blocks = read(new StoredDocument(storage, docId, "r1", files));
      assertThat(places(blocks)).isEqualTo(places(expected));
      for (int i = 0; i < blocks.size(); i++) {
        assertThat(blocks.get(i).key()).isEqualTo(expected.get(i).key());
        assertThat(blocks.get(i).value()).isEqualTo(expected.get(i).value());
      }
      StoredDocument layer =
          new StoredDocument(
              storage, StoredDocument.unread(files), StoredDocument.rowsOf(docId, "r1", 1));
      assertThat(places(read(layer))).isEqualTo(places(expected.subList(10, 20)));
    }
  }

  @Test
  void aDocumentThatIsNotThereHasNoBlocks() throws Exception {
    List<String> files = write(2, 1_000_000);
    Storage storage = new Storage(Outputs.CONF, out.toString());
    assertThat(read(new StoredDocument(storage, "c", "r1", files))).isEmpty();
    assertThat(read(new StoredDocument(storage, "a", "r2", files))).isEmpty();
  }

  @Test
  void aReaderLeavesTheConfigurationThatItSharesAlone() throws Exception {
    String file = write(1, 1 << 30).get(0);
    Storage storage = new Storage(new Configuration(Outputs.CONF), out.toUri().toString());
    MessageType layer = Table.KV.columns("layer");
    try (StoredRows layers = StoredRows.open(storage, file, layer)) {
      assertThat(layers.next().getType()).isEqualTo(layer);
    }
    assertThat(storage.conf().get(ReadSupport.PARQUET_READ_SCHEMA)).isNull();
  }
}
