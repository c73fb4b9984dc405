package io.sparsefill.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.LineChoice;
import io.sparsefill.kernels.attention.HeadTiles;
import io.sparsefill.kernels.attention.IndexBuilders;
import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.TileIndex;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The plan of a device's index, without a device. */
class IndexPlanTest {
  private static final IndexPlan.Kernels KERNELS = IndexPlan.Kernels.shipped();

  private static IndexPlan plan(
      List<HeadPattern> patterns, AttentionShape shape, boolean dispatch, int from, long bytes) {
    return new IndexPlan(patterns, shape, dispatch, from, bytes, KERNELS);
  }

  @Test
  void noQueryTileHasMoreThanItsPlace() {
    // Oracle: what the builders make of random lines and tiles, the densest and the thinnest.
    Random random = new Random(7);
    for (int round = 0; round < 400; round++) {
      int tokens = 1 + random.nextInt(1500);
      int window = random.nextInt(3) == 0 ? 1 + random.nextInt(400) : 0;
      AttentionShape shape = new AttentionShape(tokens, 1, 1, 32, 1, window);
      int most = random.nextBoolean() ? 2 * tokens : 120;
      HeadPattern.VerticalSlash lines =
          new HeadPattern.VerticalSlash(1 + random.nextInt(most), 1 + random.nextInt(most));
      int[] verticals = some(tokens, LineSelection.verticalCount(lines, tokens), random);
      int[] distances = some(tokens, LineSelection.slashCount(lines, tokens), random);
      int[] descending =
          IntStream.range(0, distances.length)
              .map(i -> distances[distances.length - 1 - i])
              .toArray();
      assertFits(shape, lines, IndexBuilders.verticalSlash(shape, 0, verticals, descending));
      HeadPattern.AShape aShape =
          new HeadPattern.AShape(random.nextInt(most), 1 + random.nextInt(most));
      assertFits(shape, aShape, IndexBuilders.aShape(shape, 0, aShape));
      HeadPattern.TriShape triShape =
          new HeadPattern.TriShape(aShape.initial(), aShape.local(), 1 + random.nextInt(most));
      assertFits(shape, triShape, IndexBuilders.triShape(shape, 0, triShape));
      HeadPattern.Dilated dilated =
          new HeadPattern.Dilated(aShape.initial(), random.nextInt(most), 1 + random.nextInt(most));
      assertFits(shape, dilated, IndexBuilders.dilated(shape, 0, dilated));
      HeadPattern.BlockSparse blocks = new HeadPattern.BlockSparse(1 + random.nextInt(30));
      int[][] chosen = new int[TileIndex.tiles(tokens)][];
      for (int m = 0; m < chosen.length; m++) {
        int first = shape.firstKey(m * 64) / 64;
        int visible = m + 1 - first;
        chosen[m] =
            IntStream.of(some(visible, Math.min(blocks.topTiles(), visible), random))
                .map(tile -> first + visible - 1 - tile)
                .sorted()
                .toArray();
      }
      if (window > 0) {
        assertFits(shape, blocks, IndexBuilders.blocks(shape, 0, chosen));
      }
      assertFits(shape, new HeadPattern.Dense(), IndexBuilders.dense(shape, 0));
    }
  }

  /** {@code count} numbers below {@code limit}, 0 among them, ascending. */
  private static int[] some(int limit, int count, Random random) {
    TreeSet<Integer> chosen = new TreeSet<>(List.of(0));
    int step = 1 + random.nextInt(100);
    for (int i = step; i < limit && chosen.size() < count; i += step) {
      chosen.add(i);
    }
    while (chosen.size() < count) {
      chosen.add(random.nextInt(limit));
    }
    return chosen.stream().mapToInt(Integer::intValue).toArray();
  }

  private static void assertFits(AttentionShape shape, HeadPattern pattern, HeadTiles tiles) {
    ListCapacity capacity = ListCapacity.of(pattern, shape);
    TileIndex index = TileIndex.of(shape, 0, List.of(tiles));
    long runs = 0;
    long columns = 0;
    for (int m = 0; m < index.queryTiles(); m++) {
      String what = "%s, %s, query tile %d".formatted(pattern, shape, m);
      assertThat(index.runsEnd(0, m) - index.runsBegin(0, m))
          .as("runs of " + what)
          .isLessThanOrEqualTo(Math.min(capacity.runs(), m + 2));
      assertThat(index.columnsEnd(0, m) - index.columnsBegin(0, m))
          .as("columns of " + what)
          .isLessThanOrEqualTo(Math.min(capacity.columns(), 64 * (m + 1)));
      assertThat(capacity.runs(0, m)).as(what).isEqualTo(runs);
      assertThat(capacity.runs(m / 2, m)).as(what).isEqualTo(runs - capacity.runs(0, m / 2));
      assertThat(capacity.columns(0, m)).as(what).isEqualTo(columns);
      runs += Math.min(capacity.runs(), m + 2);
      columns += Math.min(capacity.columns(), 64 * (m + 1));
    }
  }

  @Test
  void groupsHoldAllHeadsInOrderWithinTheirMemory() {
    AttentionShape shape = new AttentionShape(1 << 20, 32, 8, 128, 1, 0);
    List<HeadPattern> patterns =
        new ArrayList<>(Collections.nCopies(32, new HeadPattern.VerticalSlash(1000, 6096)));
    patterns.set(5, new HeadPattern.BlockSparse(100));
    patterns.set(31, new HeadPattern.BlockSparse(100));
    for (long bytes : new long[] {1, 1L << 30, 3L << 30, IndexPlan.LIST_BYTES, 12L << 30}) {
      IndexPlan plan = plan(patterns, shape, true, 0, bytes);
      int next = 0;
      int blocks = 0;
      for (IndexPlan.Group group : plan.groups()) {
        assertThat(group.first()).isEqualTo(next);
        assertThat(group.firstBlockHead()).isEqualTo(blocks);
        next += group.heads();
        blocks += group.blockHeads();
        if (bytes >= 3L << 30) {
          assertThat(group.first() % 4).as("a KV head's heads stay together").isZero();
        }
      }
      assertThat(next).isEqualTo(32);
      assertThat(blocks).isEqualTo(2);
      IndexLayout layout = plan.layout();
      if (bytes > 1) {
        assertThat(layout.scores() - layout.rows()).isLessThan(bytes + (1 << 20));
      }
      assertThat(layout.bytes()).isGreaterThan(layout.scores());
    }
    // The usual sizes take about 716 MB a head, so one KV head's 4 fit.
    assertThat(plan(patterns, shape, true, 0, IndexPlan.LIST_BYTES).groups()).hasSize(8);
  }

  @Test
  void headsThatAreDenseAnywayTakeNoEstimate() {
    AttentionShape shape = new AttentionShape(4096, 4, 2, 128, 1, 0);
    List<HeadPattern> patterns = Collections.nCopies(4, new HeadPattern.VerticalSlash(1000, 6096));
    assertThat(plan(patterns, shape, true, 0, IndexPlan.LIST_BYTES).lineHeads()).isEmpty();
    assertThat(plan(patterns, shape, true, 9, IndexPlan.LIST_BYTES).fromTile()).isEqualTo(9);
    assertThat(plan(patterns, shape, false, 9, IndexPlan.LIST_BYTES).lineHeads()).hasSize(4);
    assertThat(plan(patterns, shape, false, 9, IndexPlan.LIST_BYTES).fromTile()).isEqualTo(9);
    // Few lines are worth their estimate only where there is much to save.
    List<HeadPattern> thin = Collections.nCopies(4, new HeadPattern.VerticalSlash(100, 200));
    assertThat(plan(thin, shape, true, 0, IndexPlan.LIST_BYTES).lineHeads()).isEmpty();
    AttentionShape longer = new AttentionShape(8192, 4, 2, 128, 1, 0);
    assertThat(plan(thin, longer, true, 9, IndexPlan.LIST_BYTES).fromTile()).isZero();
  }

  @Test
  void linesOfOneKvHeadShareItems() {
    AttentionShape shape = new AttentionShape(1000, 14, 2, 64, 1, 0);
    HeadPattern lines = new HeadPattern.VerticalSlash(30, 100);
    List<HeadPattern> patterns = new ArrayList<>(Collections.nCopies(14, lines));
    patterns.set(2, new HeadPattern.Dense());
    IndexPlan plan = plan(patterns, shape, false, 0, IndexPlan.LIST_BYTES);
    // 6 lines of the first KV head, 7 of the second, 4 in a block.
    assertThat(plan.table().itemCount()).isEqualTo(4);
    assertThat(plan.table().linesOfItem()).isEqualTo(4);
    int at = Math.toIntExact(plan.table().itemList() / Integer.BYTES);
    int[] items = IntStream.range(at, at + 16).map(plan.table().ints()::get).toArray();
    assertThat(items).containsExactly(0, 1, 2, 3, 4, 5, -1, -1, 6, 7, 8, 9, 10, 11, 12, -1);
  }

  @Test
  void linesThatAreGivenComeBehindThoseThatAreEstimated() {
    AttentionShape shape = new AttentionShape(1000, 4, 2, 64, 1, 0);
    HeadPattern given = new HeadPattern.GivenLines(new int[] {3, 70}, new int[] {900, 5, 0});
    HeadPattern estimated = new HeadPattern.VerticalSlash(30, 100);
    IndexPlan plan =
        plan(List.of(given, estimated, given, estimated), shape, false, 0, IndexPlan.LIST_BYTES);
    assertThat(plan.lineHeads()).containsExactly(1, 3, 0, 2);
    assertThat(plan.estimatedHeads()).isEqualTo(2);
    IndexTable table = plan.table();
    assertThat(table.columnCount(2)).isEqualTo(2);
    assertThat(table.distanceCount(2)).isEqualTo(3);
    assertThat(table.columnsAt(2)).isEqualTo(2 + 3 + 30 + 100);
    assertThat(table.distancesAt(2)).isEqualTo(2 + 3 + 30 + 100 + 2);
    assertThat(table.itemCount()).isEqualTo(2);
    // Without an estimate there is nothing to launch it for.
    IndexPlan none = plan(List.of(given, given, given, given), shape, false, 0, 1L << 20);
    assertThat(none.estimatedHeads()).isZero();
    assertThat(none.table().itemCount()).isZero();
    assertThat(none.histogramBytes()).isZero();
  }

  @Test
  void anIndexOfLaterQueryTilesTakesNoMoreThanOneOfAll() {
    Random random = new Random(13);
    for (int round = 0; round < 300; round++) {
      int tokens = 1 + random.nextInt(20_000);
      AttentionShape shape = new AttentionShape(tokens, 4, 2, 64, 1, random.nextInt(3) * 500);
      List<HeadPattern> patterns =
          List.of(
              new HeadPattern.VerticalSlash(1 + random.nextInt(500), 1 + random.nextInt(500)),
              new HeadPattern.AShape(random.nextInt(500), 1 + random.nextInt(500)),
              new HeadPattern.BlockSparse(1 + random.nextInt(50)),
              random.nextBoolean()
                  ? new HeadPattern.Dense()
                  : new HeadPattern.Dilated(9, 70, 1 + random.nextInt(500)));
      boolean dispatch = random.nextBoolean();
      int firstTile = random.nextInt(TileIndex.tiles(tokens));
      long listBytes = 1L << random.nextInt(30);
      assertThat(plan(patterns, shape, dispatch, firstTile, listBytes).layout().bytes())
          .as("%s, dispatch %s, first tile %d", shape, dispatch, firstTile)
          .isLessThanOrEqualTo(plan(patterns, shape, dispatch, 0, listBytes).layout().bytes());
    }
  }

  @Test
  void headsThatChooseTheirLinesInDifferentWaysAreRefused() {
    AttentionShape shape = new AttentionShape(1000, 2, 1, 64, 1, 0);
    HeadPattern.VerticalSlash sizes = new HeadPattern.VerticalSlash(30, 190);
    HeadPattern bands = new HeadPattern.ChosenLines(sizes, new LineChoice(8, true));
    assertThatThrownBy(() -> plan(List.of(sizes, bands), shape, false, 0, IndexPlan.LIST_BYTES))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("head 0 by")
        .hasMessageContaining("head 1 by");
    IndexPlan alike = plan(List.of(bands, bands), shape, false, 0, IndexPlan.LIST_BYTES);
    // 190 distances are three bands, a distance and at most a run for each.
    assertThat(alike.table().distanceCount(1)).isEqualTo(3);
    assertThat(alike.capacity(1).runs()).isEqualTo(3);
    assertThat(alike.probedHeads()).isEqualTo(2);
  }

  @Test
  void aPatternOfTheCpuAloneIsRefused() {
    AttentionShape shape = new AttentionShape(100, 2, 1, 64, 1, 0);
    for (HeadPattern pattern :
        List.of(new HeadPattern.TopKeys(5), new HeadPattern.Retrieved(1, 2, 3))) {
      List<HeadPattern> patterns = List.of(new HeadPattern.Dense(), pattern);
      assertThatThrownBy(() -> plan(patterns, shape, false, 0, IndexPlan.LIST_BYTES))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining(pattern.toString())
          .hasMessageContaining("use --backend cpu");
    }
  }

  @Test
  void listsBeyondTheirPositionsAreRefused() {
    AttentionShape shape = new AttentionShape(1 << 20, 1, 1, 128, 1, 0);
    List<HeadPattern> patterns = List.of(new HeadPattern.VerticalSlash(1 << 19, 100));
    assertThatThrownBy(() -> plan(patterns, shape, false, 0, IndexPlan.LIST_BYTES))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("1,048,576 tokens")
        .hasMessageContaining("use smaller pattern sizes");
  }
}
