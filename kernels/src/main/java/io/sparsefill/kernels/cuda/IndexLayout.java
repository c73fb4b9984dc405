package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

/**
 * Where the parts of an index lie in its memory, in bytes from the begin. The scores of the line
 * estimate and the lists take the same place: no list is written before all lines are chosen.
 *
 * @param totals tile counts of a group's heads
 * @param lines chosen columns and distances of all heads
 * @param spans what the runs of each head with lines have in common
 * @param spanCounts how many they are, for each head
 * @param pooledKeys mean keys of the tiles of each KV head
 * @param pooledQueries summed queries of the tiles of each block-sparse head
 * @param vertical column scores of each head whose lines are estimated
 * @param slash diagonal scores of each of them
 * @param verticalSum column sums over probe rows, of each head that has some
 * @param slashSum diagonal sums over them
 * @param bands score of each band
 * @param taken whether it is chosen
 * @param partials maxima and weight sums of each block of keys
 * @param joined those of all blocks
 * @param histograms digits of the line scores
 * @param counts keys above and on the threshold in each block
 * @param thresholds of each list of scores
 * @param rows where the lists of each query tile lie
 * @param rowsBefore the same for query tiles that are not wanted, but counted
 * @param runs first key and tiles of each run
 * @param columns key of each column
 * @param scores pooled scores of some query tiles
 * @param bytes the whole
 */
record IndexLayout(
    long totals,
    long lines,
    long spans,
    long spanCounts,
    long pooledKeys,
    long pooledQueries,
    long vertical,
    long slash,
    long verticalSum,
    long slashSum,
    long bands,
    long taken,
    long partials,
    long joined,
    long histograms,
    long counts,
    long thresholds,
    long rows,
    long rowsBefore,
    long runs,
    long columns,
    long scores,
    long bytes) {
  private static final long ALIGNMENT = 256;
  private static final int SPAN_BYTES = 16;

  static IndexLayout of(IndexPlan plan) {
    Places fixed = new Places(0);
    fixed.place(plan.table().bytes());
    long d = plan.shape().headDim();
    long tiles = plan.tiles();
    long totals = fixed.place(2L * plan.heads() * Long.BYTES);
    long lines = fixed.place((long) plan.table().chosenLines() * Integer.BYTES);
    long spans = fixed.place((long) plan.table().chosenLines() * SPAN_BYTES);
    long spanCounts = fixed.place((long) plan.heads() * Integer.BYTES);
    long blockHeads = plan.blockHeads().size();
    long kvHeads = blockHeads > 0 ? plan.shape().kvHeads() : 0;
    long pooledKeys = fixed.place(kvHeads * tiles * d * Float.BYTES);
    long pooledQueries = fixed.place(blockHeads * plan.queryTiles() * d * Float.BYTES);

    long estimated = plan.estimatedHeads();
    Places estimate = new Places(fixed.end);
    long vertical = estimate.place(estimated * plan.shape().tokens() * Float.BYTES);
    long slash = estimate.place(estimated * plan.shape().tokens() * Float.BYTES);
    long probed = plan.probedHeads();
    long verticalSum = estimate.place(probed * plan.shape().tokens() * Float.BYTES);
    long slashSum = estimate.place(probed * plan.shape().tokens() * Float.BYTES);
    long bands = estimate.place(probed * tiles * Float.BYTES);
    long taken = estimate.place(probed * tiles * Integer.BYTES);
    long partials = estimate.place(estimated * plan.lineBlocks() * 2 * TILE * Float.BYTES);
    long joined = estimate.place(estimated * 2 * TILE * Float.BYTES);
    long histograms = estimate.place(plan.histogramBytes());
    long counts = estimate.place(2 * estimated * plan.selectBlocks() * 2 * Integer.BYTES);

    long thresholds = estimate.place(2 * estimated * 2 * Integer.BYTES);

    long mostRuns = 0;
    long mostColumns = 0;
    long mostHeads = 0;
    for (IndexPlan.Group group : plan.groups()) {
      long runs = 0;
      long columns = 0;
      for (int head = group.first(); head < group.end(); head++) {
        runs += plan.capacity(head).runs(plan.fromTile(), plan.tiles());
        columns += plan.capacity(head).columns(plan.fromTile(), plan.tiles());
      }
      mostRuns = Math.max(mostRuns, runs);
      mostColumns = Math.max(mostColumns, columns);
      mostHeads = Math.max(mostHeads, group.heads());
    }
    Places lists = new Places(fixed.end);
    long rows = lists.place(mostHeads * (tiles - plan.fromTile()) * IndexPlan.ROW_BYTES);
    long rowsBefore = rows + mostHeads * plan.queryTiles() * IndexPlan.ROW_BYTES;
    long runs = lists.place(mostRuns * IndexPlan.RUN_BYTES);
    long columns = lists.place(mostColumns * Integer.BYTES);
    long scores = lists.place((long) plan.scoreBlocksAtOnce() * TILE * tiles * Float.BYTES);
    return new IndexLayout(
        totals,
        lines,
        spans,
        spanCounts,
        pooledKeys,
        pooledQueries,
        vertical,
        slash,
        verticalSum,
        slashSum,
        bands,
        taken,
        partials,
        joined,
        histograms,
        counts,
        thresholds,
        rows,
        rowsBefore,
        runs,
        columns,
        scores,
        Math.max(estimate.end, lists.end));
  }

  /** Parts one behind the other. */
  private static final class Places {
    private long end;

    Places(long begin) {
      end = begin;
    }

    long place(long bytes) {
      long at = end;
      end = (Math.addExact(at, bytes) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
      return at;
    }
  }
}
