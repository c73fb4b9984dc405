package io.sparsefill.kernels;

import static io.sparsefill.kernels.attention.TileIndex.TILE;
import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.attention.IndexBuilders;
import io.sparsefill.kernels.attention.TileIndex;
import java.io.IOException;
import java.util.Arrays;
import java.util.Collections;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/**
 * The vertical-slash builder against the lists that MInference's own conversion
 * (csrc/vertical_slash_index.cu) made of the same lines.
 *
 * <p>For each query tile both must name the same keys up to the tile's last query. They may differ
 * beyond: upstream lists tiles that begin behind the document's end or reach past the query tile,
 * which causality hides, and pads its lists with zeros.
 */
class UpstreamCoverageTest {
  @Test
  void sameLinesNameTheSameKeysAsUpstreamsConversion() throws IOException {
    int queryTiles = 0;
    for (GoldenCase golden : GoldenCase.all()) {
      AttentionShape shape = golden.input().shape();
      AttentionShape oneHead = AttentionInput.shape(shape.tokens(), 1, 1, shape.headDim(), 0);
      for (GoldenCase.Run run : golden.runs()) {
        if (run.pattern() instanceof HeadPattern.VerticalSlash) {
          for (int head = 0; head < shape.heads(); head++) {
            TileIndex ours =
                TileIndex.of(
                    oneHead,
                    0,
                    Collections.singletonList(
                        IndexBuilders.verticalSlash(
                            oneHead,
                            0,
                            golden.line(run.key() + ".vertical", head),
                            golden.line(run.key() + ".slash_distance", head))));
            queryTiles += compare(golden, run.key(), head, ours);
          }
        }
      }
    }
    System.out.printf("Same keys as upstream's conversion in %d query tiles%n", queryTiles);
    assertThat(queryTiles).isPositive();
  }

  private static int compare(GoldenCase golden, String run, int head, TileIndex ours) {
    int tokens = ours.shape().tokens();
    int rows = TileIndex.tiles(tokens);
    StoredTensors stored = golden.tensors();
    int[] blockCount = stored.ints(run + ".block_count");
    int[] blockOffset = stored.ints(run + ".block_offset");
    int[] columnCount = stored.ints(run + ".column_count");
    int[] columnIndex = stored.ints(run + ".column_index");
    int blockWidth = stored.shape(run + ".block_offset")[2];
    int columnWidth = stored.shape(run + ".column_index")[2];
    for (int m = 0; m < rows; m++) {
      int row = head * rows + m;
      int causal = Math.min(tokens, (m + 1) * TILE);
      boolean[] theirs = new boolean[causal];
      for (int i = 0; i < blockCount[row]; i++) {
        int start = blockOffset[row * blockWidth + i];
        Arrays.fill(theirs, Math.min(start, causal), Math.min(start + TILE, causal), true);
      }
      int[] columns =
          Arrays.copyOfRange(columnIndex, row * columnWidth, row * columnWidth + columnCount[row]);
      for (int column : columns) {
        theirs[column] = true;
      }
      String what = "%s %s head %d, query tile %d".formatted(golden.name(), run, head, m);
      assertThat(Arrays.copyOf(DenseMaskOracle.named(ours, 0, m), causal))
          .as(what)
          .isEqualTo(theirs);
      int[] ourColumns =
          IntStream.range(ours.columnsBegin(0, m), ours.columnsEnd(0, m))
              .map(ours::column)
              .toArray();
      assertThat(ourColumns).as("%s: columns", what).isEqualTo(columns);
      assertThat(ours.tilesOf(0, m))
          .as("%s: tiles", what)
          .isLessThanOrEqualTo(blockCount[row] + TileIndex.tiles(columns.length));
    }
    return rows;
  }
}
