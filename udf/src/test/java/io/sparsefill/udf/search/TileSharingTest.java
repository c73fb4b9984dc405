package io.sparsefill.udf.search;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.udf.search.TileSharing.Offer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The oracle is the best of all combinations of offers that are within the tiles. */
class TileSharingTest {
  private static double tiles(List<List<Offer>> heads, int[] taken) {
    double sum = 0;
    for (int i = 0; i < taken.length; i++) {
      sum += heads.get(i).get(taken[i]).tiles();
    }
    return sum;
  }

  private static double error(List<List<Offer>> heads, int[] taken) {
    double sum = 0;
    for (int i = 0; i < taken.length; i++) {
      sum += heads.get(i).get(taken[i]).error();
    }
    return sum;
  }

  /** The smallest sum of errors from a head on. */
  private static double smallest(List<List<Offer>> heads, int from, double tiles) {
    if (from == heads.size()) {
      return 0;
    }
    double least = Double.POSITIVE_INFINITY;
    for (Offer offer : heads.get(from)) {
      if (offer.tiles() <= tiles) {
        double rest = smallest(heads, from + 1, tiles - offer.tiles());
        least = Math.min(least, offer.error() + rest);
      }
    }
    return least;
  }

  private static List<List<Offer>> random(Random random, int count, int offers) {
    List<List<Offer>> heads = new ArrayList<>();
    for (int head = 0; head < count; head++) {
      double size = random.nextDouble();
      List<Offer> mine = new ArrayList<>();
      for (int i = 0; i < offers; i++) {
        int tiles = 1 + random.nextInt(40);
        mine.add(new Offer(tiles, size * (0.5 + random.nextDouble()) / tiles));
      }
      heads.add(mine);
    }
    return heads;
  }

  @Test
  void theSumIsWithinTheTilesAndAtMostOneStepAboveTheSmallest() {
    Random random = new Random(1);
    double above = 0;
    double smallest = 0;
    for (int round = 0; round < 300; round++) {
      List<List<Offer>> heads = random(random, 5, 6);
      double least = TileSharing.least(heads);
      double tiles = least + random.nextInt(60);
      int[] taken = TileSharing.of(heads, tiles);
      assertThat(tiles(heads, taken)).isLessThanOrEqualTo(tiles);
      double best = smallest(heads, 0, tiles);
      double step =
          heads.stream()
              .mapToDouble(
                  head ->
                      head.stream().mapToDouble(Offer::error).max().orElseThrow()
                          - head.stream().mapToDouble(Offer::error).min().orElseThrow())
              .max()
              .orElseThrow();
      assertThat(error(heads, taken)).isBetween(best - 1e-12, best + step);
      above += error(heads, taken) - best;
      smallest += best;
    }
    assertThat(above / smallest).as("in the mean").isLessThan(0.04);
  }

  @Test
  void whereTheTilesEndAtAStepTheSumIsTheSmallest() {
    // Falls for each tile: 0.5 and 0.1 of the first head, 0.3 and 0.2 of the second.
    List<List<Offer>> heads =
        List.of(
            List.of(new Offer(1, 1.0), new Offer(2, 0.5), new Offer(4, 0.3)),
            List.of(new Offer(1, 0.9), new Offer(2, 0.6), new Offer(3, 0.4)));
    assertThat(TileSharing.of(heads, 2)).containsExactly(0, 0);
    assertThat(TileSharing.of(heads, 3)).containsExactly(1, 0);
    assertThat(TileSharing.of(heads, 4)).containsExactly(1, 1);
    assertThat(TileSharing.of(heads, 5)).containsExactly(1, 2);
    assertThat(TileSharing.of(heads, 7)).containsExactly(2, 2);
  }

  @Test
  void whatIsLeftGoesToAnOfferBesideTheHull() {
    // The hull goes from 1 tile to 10; 5 tiles lie above it, but only they can be paid.
    List<List<Offer>> heads =
        List.of(List.of(new Offer(10, 0.1), new Offer(5, 0.8), new Offer(1, 0.9)));
    assertThat(TileSharing.of(heads, 9)).containsExactly(1);
    assertThat(TileSharing.of(heads, 10)).containsExactly(0);
  }

  @Test
  void dearerOffersThatAreNoBetterAreLeftAlone() {
    List<List<Offer>> heads =
        List.of(
            List.of(new Offer(4, 0.5), new Offer(2, 0.5), new Offer(9, 0.7), new Offer(2, 0.6)));
    assertThat(TileSharing.of(heads, 100)).containsExactly(1);
  }

  @Test
  void fewerTilesThanTheCheapestTakeAreRefused() {
    List<List<Offer>> heads = List.of(List.of(new Offer(4, 0.5)), List.of(new Offer(2, 0.5)));
    assertThatThrownBy(() -> TileSharing.of(heads, 5))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("Cannot share 5.0 tiles among 2 heads: their cheapest offers take 6.0");
  }
}
