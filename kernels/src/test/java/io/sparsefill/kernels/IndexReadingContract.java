package io.sparsefill.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.attention.TileIndex;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What an index of every backend says about each head: its tiles and its keys. The oracle is {@link
 * PatternTiles}, the host's index of the lines and blocks that the backend itself selects.
 */
public abstract class IndexReadingContract extends BackendContract {
  private static final int HEADS = 4;

  @ParameterizedTest(name = "{0} tokens, window {1}, from query tile {2}")
  @CsvSource({"1,0,0", "65,0,0", "1000,0,0", "1000,0,5", "2100,300,0", "4096,0,0"})
  void tilesAndKeysOfEachHeadAreThoseOfTheHostsIndex(int tokens, int window, int firstTile) {
    AttentionInput input =
        AttentionInput.random(AttentionInput.shape(tokens, HEADS, 2, 64, window), 2, tokens);
    List<HeadPattern> patterns =
        List.of(
            new HeadPattern.VerticalSlash(70, 150),
            new HeadPattern.BlockSparse(3),
            new HeadPattern.Dense(),
            new HeadPattern.AShape(64, 200));
    try (Tensor q = device.backend().upload(input.q(), "q");
        Tensor k = device.backend().upload(input.k(), "k")) {
      TileIndex expected = PatternTiles.of(device, patterns, input.shape(), firstTile, q, k);
      try (AttentionIndex index =
          device.backend().index(patterns, input.shape(), false, firstTile, q, k)) {
        assertThat(index.headTiles()).containsExactly(expected.headTiles());
        for (int head = 0; head < HEADS; head++) {
          for (int tile = firstTile; tile < TileIndex.tiles(tokens); tile++) {
            assertThat(named(index.keys(head, tile), tokens))
                .as("head %d, query tile %d", head, tile)
                .isEqualTo(DenseMaskOracle.named(expected, head, tile));
          }
        }
      }
    }
  }

  @ParameterizedTest(name = "{0} tokens")
  @CsvSource({"300", "1500", "4096"})
  void tilesOfTheHeadsAddUpToTheCostWhereSomeRunDensely(int tokens) {
    AttentionInput input =
        AttentionInput.random(AttentionInput.shape(tokens, HEADS, 2, 64, 0), 2, tokens);
    List<HeadPattern> patterns =
        List.of(
            new HeadPattern.VerticalSlash(30, 50),
            new HeadPattern.VerticalSlash(1000, 1000),
            new HeadPattern.AShape(1, 1),
            new HeadPattern.AShape(1024, 4096));
    try (Tensor q = device.backend().upload(input.q(), "q");
        Tensor k = device.backend().upload(input.k(), "k");
        AttentionIndex index = device.backend().index(patterns, input.shape(), true, 0, q, k)) {
      long[] tiles = index.headTiles();
      assertThat(Arrays.stream(tiles).sum()).isEqualTo(index.cost().computedTiles());
      assertThat(tiles[3]).isEqualTo(TileIndex.causalTiles(input.shape(), 0) / HEADS);
    }
  }

  private static boolean[] named(TileKeys keys, int tokens) {
    boolean[] named = new boolean[tokens];
    for (int run = 0; run < keys.runStarts().length; run++) {
      int start = keys.runStarts()[run];
      Arrays.fill(
          named, start, Math.min(tokens, start + keys.runTiles()[run] * TileIndex.TILE), true);
    }
    for (int key : keys.columns()) {
      named[key] = true;
    }
    return named;
  }
}
