package io.sparsefill.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** How products are cut, without a device. */
class GemmPlanTest {
  private static final int MULTIPROCESSORS = 132;

  private static final List<GemmPlan.Tile> TILES = TiledGemm.tiles(List.of(1, 2, 3));

  private static GemmPlan plan(long m, long n, long k) {
    return GemmPlan.of(TILES, MULTIPROCESSORS, m, n, k, true);
  }

  @Test
  void longChunksTakeTheLargestTilesWhole() {
    // Oracle: timings of each tile, where the largest won from 4,096 rows on.
    for (int[] weights : new int[][] {{6144, 4096}, {4096, 4096}, {28672, 4096}, {4096, 14336}}) {
      assertThat(plan(8192, weights[0], weights[1])).isEqualTo(new GemmPlan(0, 1));
    }
  }

  @Test
  void fewRowsAreSpreadOverTheDevice() {
    for (int m : new int[] {1, 16, 64, 128, 256}) {
      GemmPlan plan = plan(m, 4096, 4096);
      long blocks = TILES.get(plan.tile()).count(m, 4096) * plan.parts();
      assertThat(blocks).as("blocks for %d rows: %s", m, plan).isGreaterThan(MULTIPROCESSORS / 2);
    }
  }

  @Test
  void everyPartHasASliceAndTheSumsFitTheWorkspace() {
    Random random = new Random(3);
    for (int i = 0; i < 20_000; i++) {
      int multiprocessors = 1 + random.nextInt(200);
      long m = 1 + random.nextInt(1 << random.nextInt(1, 18));
      long n = 1 + random.nextInt(1 << random.nextInt(1, 18));
      long k = 1 + random.nextInt(1 << random.nextInt(1, 15));
      GemmPlan plan = GemmPlan.of(TILES, multiprocessors, m, n, k, true);
      GemmPlan.Tile tile = TILES.get(plan.tile());
      // As the kernel deals the slices out.
      long slices = (k + 63) / 64;
      long share = (slices + plan.parts() - 1) / plan.parts();
      String what = "%s of [%d, %d, %d] on %d".formatted(plan, m, n, k, multiprocessors);
      assertThat(share * (plan.parts() - 1)).as(what).isLessThan(slices);
      if (plan.parts() > 1) {
        long tiles = tile.count(m, n);
        assertThat(tiles * plan.parts() * tile.rows() * tile.cols() * Float.BYTES)
            .as(what)
            .isLessThanOrEqualTo(GemmPlan.workspaceBytes(multiprocessors));
        assertThat(tiles).as(what).isLessThanOrEqualTo(TiledGemm.counters(multiprocessors));
      }
    }
  }

  @Test
  void withoutAWorkspaceThereIsOnePart() {
    assertThat(GemmPlan.of(TILES, MULTIPROCESSORS, 16, 4096, 14336, false).parts()).isOne();
  }
}
