package io.sparsefill.kernels;

/**
 * The keys that the 64 queries of one tile of one head compute scores with. Causality and a sliding
 * window are not applied.
 *
 * @param runStarts first key of each run, ascending
 * @param runTiles number of 64-key tiles of each run; the last one may reach behind the last key
 * @param columns single keys outside the runs, ascending
 */
@SuppressWarnings("ArrayRecordComponent") // looked at once, never compared
public record TileKeys(int[] runStarts, int[] runTiles, int[] columns) {}
