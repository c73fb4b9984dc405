package io.sparsefill.kernels.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.AttentionShape;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a tile index accepts, and where it keeps what it was given. */
class TileIndexTest {
  private static final AttentionShape TWO_HEADS = new AttentionShape(130, 2, 1, 32, 1, 0);

  /** Three query tiles, the last with two rows. */
  private static HeadTiles head() {
    HeadTiles head = new HeadTiles(true);
    head.run(0, 1);
    head.endTile(0);
    head.column(3);
    head.column(9);
    head.run(10, 1);
    head.run(74, 1);
    head.endTile(64);
    head.run(5, 1);
    head.run(100, 1);
    head.column(1);
    head.endTile(128);
    return head;
  }

  @Test
  void headsAreJoinedInOrder() {
    TileIndex index =
        TileIndex.of(TWO_HEADS, 0, List.of(IndexBuilders.dense(TWO_HEADS, 0), head()));
    assertThat(index.sparseHeads()).isEqualTo(1);
    assertThat(index.queryTiles()).isEqualTo(3);
    assertThat(index.shape()).isEqualTo(TWO_HEADS);
    assertThat(index.runTiles(index.runsBegin(0, 2))).isEqualTo(3);
    // Runs that touch are one.
    assertThat(index.runsEnd(1, 1) - index.runsBegin(1, 1)).isEqualTo(1);
    assertThat(index.runStart(index.runsBegin(1, 1))).isEqualTo(10);
    assertThat(index.runTiles(index.runsBegin(1, 1))).isEqualTo(2);
    assertThat(index.columnsEnd(1, 1) - index.columnsBegin(1, 1)).isEqualTo(2);
    assertThat(index.column(index.columnsBegin(1, 1) + 1)).isEqualTo(9);
    assertThat(index.runsEnd(1, 2) - index.runsBegin(1, 2)).isEqualTo(2);
    assertThat(index.tilesOf(1, 1)).isEqualTo(3);
    // Dense 1 + 2 + 3, then 1, 2 tiles and two columns, 2 tiles and one column.
    assertThat(index.computedTiles()).isEqualTo(6 + 1 + 3 + 3);
    assertThat(index.causalTiles()).isEqualTo(12);
  }

  @Test
  void headTilesCountAsTheIndexDoes() {
    assertThat(head().computedTiles()).isEqualTo(7);
  }

  @Test
  void listsGrowBeyondTheirFirstSize() {
    AttentionShape shape = new AttentionShape(64 * 300, 1, 1, 32, 1, 0);
    HeadTiles head = new HeadTiles(true);
    for (int m = 0; m < 300; m++) {
      head.column(0);
      if (m > 2) {
        head.column(1);
        head.run(2, 1);
      }
      head.run(m * 64, 1);
      head.endTile(m * 64);
    }
    TileIndex index = TileIndex.of(shape, 0, List.of(head));
    assertThat(index.column(index.columnsBegin(0, 299) + 1)).isEqualTo(1);
    assertThat(index.runStart(index.runsBegin(0, 299) + 1)).isEqualTo(299 * 64);
    assertThat(index.computedTiles()).isEqualTo(3 * 2 + 297 * 3);
  }

  @Test
  void runsMustNotOverlap() {
    HeadTiles head = new HeadTiles(true);
    head.run(0, 2);
    assertThatThrownBy(() -> head.run(127, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("Query tile 0: run at key 127 overlaps the previous one, which ends at 128");
  }

  @Test
  void columnsMustAscend() {
    HeadTiles head = new HeadTiles(true);
    head.column(5);
    assertThatThrownBy(() -> head.column(5))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("Query tile 0: column 5 does not ascend after 5");
  }

  @Test
  void theFirstQueryOfATileMustSeeAKey() {
    HeadTiles empty = new HeadTiles(true);
    assertThatThrownBy(() -> empty.endTile(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("Query tile 0: query 0 would see no key");
    HeadTiles late = new HeadTiles(true);
    late.run(0, 1);
    late.endTile(0);
    late.run(65, 1);
    late.column(66);
    assertThatThrownBy(() -> late.endTile(64)).hasMessageContaining("query 64 would see no key");
  }

  @Test
  void everyHeadMustHaveEveryQueryTile() {
    HeadTiles dense = IndexBuilders.dense(TWO_HEADS, 0);
    assertThatThrownBy(() -> TileIndex.of(TWO_HEADS, 0, List.of(dense)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("1 heads, but the attention has 2");
    HeadTiles later = IndexBuilders.dense(TWO_HEADS, 1);
    assertThatThrownBy(() -> TileIndex.of(TWO_HEADS, 0, List.of(dense, later)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("2 query tiles, but 3 are expected");
    assertThatThrownBy(() -> TileIndex.of(TWO_HEADS, 1, List.of(later, dense)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("3 query tiles, but 2 are expected");
  }

  @Test
  void keysBehindTheLastOneAreRefused() {
    AttentionShape shape = new AttentionShape(65, 1, 1, 32, 1, 0);
    HeadTiles run = IndexBuilders.dense(shape, 0);
    HeadTiles tooFar = new HeadTiles(true);
    tooFar.run(0, 1);
    tooFar.endTile(0);
    tooFar.run(0, 1);
    tooFar.run(65, 1);
    tooFar.endTile(64);
    HeadTiles column = new HeadTiles(true);
    column.run(0, 1);
    column.endTile(0);
    column.column(0);
    column.column(65);
    column.endTile(64);
    assertThat(TileIndex.of(shape, 0, List.of(run)).computedTiles()).isEqualTo(3);
    for (HeadTiles head : List.of(tooFar, column)) {
      assertThatThrownBy(() -> TileIndex.of(shape, 0, List.of(head)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("head 0, query tile 1")
          .hasMessageContaining("65 keys");
    }
  }
}
