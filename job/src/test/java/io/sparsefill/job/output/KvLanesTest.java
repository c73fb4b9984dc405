package io.sparsefill.job.output;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.DocumentStatus;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.KvBlock;
import io.sparsefill.udf.SideThread;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.metadata.BlockMetaData;
import org.apache.parquet.hadoop.metadata.ColumnChunkMetaData;
import org.apache.parquet.internal.column.columnindex.OffsetIndex;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The kv table's lanes, row groups and pages; the oracle is what was handed to the writers. */
class KvLanesTest {
  @TempDir Path temp;

  /** A thread for each lane; the oracle for a file's order is that of the document. */
  @Test
  void lanesShareTheRowsAndEachFileKeepsTheirOrder() throws Exception {
    int lanes = 3;
    int tokens = 8 * 40 + 3;
    Path out = temp.resolve("out");
    List<KvBlock> blocks = Outputs.blocks("d", tokens);
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      WriterOptions options = folder.writerOptions(1, KvCompression.ZSTD, lanes);
      TaskOutput output;
      try (TableWriters writers = TableWriters.open(Outputs.CONF, options, 3, 9)) {
        assertThat(writers.lanes()).isEqualTo(lanes);
        try (SideThread threads = new SideThread("lane", lanes, true)) {
          List<Future<Void>> written = new ArrayList<>();
          for (int lane = 0; lane < lanes; lane++) {
            int mine = lane;
            written.add(
                threads.submit(
                    () -> {
                      for (KvBlock block : blocks) {
                        if (writers.lane(block) == mine) {
                          writers.kv("d", block);
                        }
                      }
                      return null;
                    }));
          }
          for (Future<Void> thread : written) {
            thread.get();
          }
        }
        output = writers.finish(List.of(Outputs.row(folder, "d", tokens, DocumentStatus.OK)));
      }
      assertThat(output.files()).extracting(StoredFile::rows).containsExactly(27L, 28L, 27L);
      folder.commitWave(1, List.of(output));
    }
    List<Group> rows = Outputs.groups(out, Table.KV);
    assertThat(rows).hasSameSizeAs(blocks);
    List<Integer> places = new ArrayList<>();
    int file = 0;
    for (int size : List.of(27, 28, 27)) {
      List<Integer> ofFile =
          rows.subList(file, file + size).stream()
              .map(row -> row.getInteger("layer", 0) * 41 + row.getInteger("block", 0))
              .toList();
      assertThat(ofFile).isSorted();
      places.addAll(ofFile);
      file += size;
    }
    assertThat(places).containsExactlyInAnyOrderElementsOf(IntStream.range(0, 82).boxed().toList());
  }

  /** Short documents have one block: their layers must not all come to one lane. */
  @Test
  void layersOfADocumentOfOneBlockGoAroundTheLanes() throws Exception {
    try (OutputFolder folder = Outputs.open(temp.resolve("out"), "r1");
        TableWriters writers =
            TableWriters.open(Outputs.CONF, folder.writerOptions(1, KvCompression.ZSTD, 2), 0, 1)) {
      assertThat(Outputs.blocks("d", 3)).extracting(writers::lane).containsExactly(0, 1);
    }
  }

  /**
   * What a reader finds in the page index; oracle: a row of 128 KiB of keys and values is half of a
   * page's bytes, one of 1 MiB more than them, and a row group has 16 MiB.
   */
  @ParameterizedTest
  @CsvSource({"65536, 2", "524288, 1"})
  void pagesOfAllColumnsEndAtTheSameRows(int cellBytes, int rowsOfPage) throws Exception {
    Path out = temp.resolve("out");
    int rows = 40;
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      WriterOptions options = folder.writerOptions(1, KvCompression.UNCOMPRESSED, 1);
      try (TableWriters writers = TableWriters.open(Outputs.CONF, options, 0, 1)) {
        byte[] cell = new byte[cellBytes];
        for (int i = 0; i < rows; i++) {
          writers.kv("d", new KvBlock(i / 5, i % 5, 8 * (i % 5), 8, KvDtype.BF16, cell, cell, 0));
        }
        folder.commitWave(
            1, List.of(writers.finish(List.of(Outputs.row(folder, "d", 40, DocumentStatus.OK)))));
      }
    }
    Storage storage = new Storage(Outputs.CONF, out.toString());
    String file = "kv/" + Outputs.files(out.resolve("kv")).get(0);
    try (ParquetFileReader reader = ParquetFileReader.open(storage.inputFile(file))) {
      int groups = reader.getRowGroups().size();
      assertThat(groups)
          .isBetween(rows * 2 * cellBytes / (16 << 20), 1 + rows * cellBytes / (6 << 20));
      for (BlockMetaData group : reader.getRowGroups()) {
        assertThat(group.getTotalByteSize()).isLessThan((16 << 20) + 2L * cellBytes);
        for (ColumnChunkMetaData column : group.getColumns()) {
          OffsetIndex pages = reader.readOffsetIndex(column);
          for (int page = 0; page < pages.getPageCount(); page++) {
            assertThat(pages.getFirstRowIndex(page))
                .as("page %d of %s", page, column.getPath())
                .isEqualTo((long) page * rowsOfPage);
          }
        }
        ColumnChunkMetaData layers = group.getColumns().get(1);
        assertThat(reader.readColumnIndex(layers).getMinValues())
            .hasSize((int) Math.ceil(group.getRowCount() / (double) rowsOfPage));
      }
    }
  }

  /** The second lane's file cannot be made; oracle: nothing of the attempt can be published. */
  @Test
  void aFailureInOneLaneEndsTheAttempt() throws Exception {
    Path out = temp.resolve("out");
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      WriterOptions options = folder.writerOptions(1, KvCompression.ZSTD, 2);
      try (TableWriters writers = TableWriters.open(Outputs.CONF, options, 0, 1)) {
        writers.kv("d", Outputs.block("d", 16, 0, 0));
        Files.createDirectories(
            out.resolve(FileNames.stagedAttempt("r1", 1, 0, 1)).resolve("kv/0001.parquet"));
        assertThatThrownBy(() -> writers.kv("d", Outputs.block("d", 16, 0, 1)))
            .isInstanceOf(IOException.class);
        assertThatThrownBy(() -> writers.kv("d", Outputs.block("d", 16, 1, 1)))
            .hasMessageContaining("writing failed before");
        assertThatThrownBy(() -> writers.finish(List.of()))
            .hasMessageContaining("writing failed before");
      }
      assertThat(Outputs.files(out)).containsExactly("_lock", "manifest.json");
    }
  }
}
