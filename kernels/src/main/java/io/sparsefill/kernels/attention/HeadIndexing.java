package io.sparsefill.kernels.attention;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.Workers;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntFunction;

/**
 * From a head's pattern to its tiles: the decision between sparse and dense, and the index builder,
 * for every backend that builds its index on the host.
 */
public final class HeadIndexing {
  /** What the backend's estimate selects for one head. */
  public interface Estimate {
    /** The lines of a head that has columns, diagonals or both, unless they are given. */
    LineSelection lines(HeadPattern.Lines pattern);

    /**
     * The key tiles of a block-sparse head: result[m - firstTile] are those of query tile m,
     * ascending.
     */
    int[][] blocks(HeadPattern.BlockSparse pattern);

    /** The blocks that a head retrieves: result[m - from] are those of query tile m, ascending. */
    int[][] retrieved(HeadPattern.Retrieved pattern, int from);
  }

  private final AttentionShape shape;
  private final List<HeadPattern> patterns;
  private final boolean dispatch;
  private final int firstTile;
  private final EstimateCost estimateCost;
  private final LineSelection[] chosen;

  /**
   * Indexing of one layer.
   *
   * @param patterns one for each head
   * @param dispatch whether a head whose sparse cost would not be lower runs densely
   * @param firstTile first query tile that is wanted
   * @param estimateCost what the backend's estimates cost
   * @throws IllegalArgumentException if there is not one pattern for each head
   */
  public HeadIndexing(
      AttentionShape shape,
      List<HeadPattern> patterns,
      boolean dispatch,
      int firstTile,
      EstimateCost estimateCost) {
    if (patterns.size() != shape.heads()) {
      throw new IllegalArgumentException(
          "%d patterns for %d heads".formatted(patterns.size(), shape.heads()));
    }
    this.patterns = patterns;
    this.shape = shape;
    this.dispatch = dispatch;
    this.firstTile = firstTile;
    this.estimateCost = estimateCost;
    this.chosen = new LineSelection[patterns.size()];
  }

  /**
   * Whether a head runs densely without looking at its estimate. That is decided as if every query
   * tile were wanted: a document's numbers must not depend on which of its rows are read.
   */
  public boolean isDense(HeadPattern pattern) {
    PatternCost cost = new PatternCost(shape, 0, estimateCost);
    return pattern instanceof HeadPattern.Dense
        || (dispatch && cost.atBest(pattern) >= cost.dense());
  }

  /**
   * The index of all heads, built over threads.
   *
   * @param estimates gives each head's estimate; called on any of the threads
   */
  public TileIndex build(Workers workers, IntFunction<Estimate> estimates) {
    HeadTiles[] heads = new HeadTiles[shape.heads()];
    workers.forEach(
        heads.length,
        thread -> null,
        (head, none) -> heads[head] = tiles(head, estimates.apply(head)));
    return TileIndex.of(shape, firstTile, Arrays.asList(heads));
  }

  /**
   * The lines that each head took when the index was built; null for a head without lines. A head
   * that looked at its lines and then runs densely has them too.
   */
  public List<LineSelection> lines() {
    return Arrays.asList(chosen);
  }

  private HeadTiles tiles(int head, Estimate estimate) {
    HeadPattern pattern = patterns.get(head);
    if (isDense(pattern)) {
      return IndexBuilders.dense(shape, firstTile);
    }
    if (pattern instanceof HeadPattern.BlockSparse blocks) {
      // Its cost was no guess, and the mean queries of tiles that are not wanted are not there.
      return IndexBuilders.blocks(shape, firstTile, estimate.blocks(blocks));
    }
    IntFunction<HeadTiles> from = builder(head, estimate);
    HeadTiles tiles = from.apply(firstTile);
    if (dispatch) {
      HeadTiles all = firstTile == 0 ? tiles : from.apply(0);
      if (all.computedTiles() >= new PatternCost(shape, 0, estimateCost).dense()) {
        return IndexBuilders.dense(shape, firstTile);
      }
    }
    return tiles;
  }

  /** Builds a head's tiles from a given query tile on, as often as it is asked to. */
  private IntFunction<HeadTiles> builder(int head, Estimate estimate) {
    HeadPattern pattern = patterns.get(head);
    if (pattern instanceof HeadPattern.AShape aShape) {
      return from -> IndexBuilders.aShape(shape, from, aShape);
    }
    if (pattern instanceof HeadPattern.TriShape triShape) {
      return from -> IndexBuilders.triShape(shape, from, triShape);
    }
    if (pattern instanceof HeadPattern.Dilated window) {
      return from -> IndexBuilders.dilated(shape, from, window);
    }
    if (pattern instanceof HeadPattern.Lines lines) {
      LineSelection taken =
          lines instanceof HeadPattern.GivenLines given
              ? new LineSelection(given.verticals(), given.distances())
              : estimate.lines(lines);
      chosen[head] = taken;
      return from -> IndexBuilders.verticalSlash(shape, from, taken.verticals(), taken.distances());
    }
    if (pattern instanceof HeadPattern.Retrieved retrieved) {
      Retrieval retrieval = new Retrieval(shape, retrieved);
      return from -> IndexBuilders.retrieved(retrieval, from, estimate.retrieved(retrieved, from));
    }
    if (pattern instanceof HeadPattern.TopKeys) {
      return from -> IndexBuilders.topKeys(shape, from);
    }
    throw new IllegalArgumentException("Cannot index %s: it has no builder".formatted(pattern));
  }
}
