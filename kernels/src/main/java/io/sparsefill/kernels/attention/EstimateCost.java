package io.sparsefill.kernels.attention;

/**
 * What the estimate of a vertical-slash head costs before its attention begins, in score tiles that
 * the attention could compute meanwhile.
 *
 * @param tiles whatever the document's length is
 * @param rows for each key tile that the estimate's queries see
 */
public record EstimateCost(long tiles, long rows) {
  /** Two passes over the keys of one query tile, without values: as much as one row of tiles. */
  public static final EstimateCost CPU = new EstimateCost(0, 1);

  /**
   * Estimate, choice and lists on a GPU: many short kernels, of which a head has its share, beside
   * an attention that fills the device. On an H200 with 32 heads of 128 dimensions they take 8 to
   * 12 microseconds of a head at 8,192 tokens, where a tile of dense attention takes 4.4
   * nanoseconds. The part that grows with the document stands also for gathered columns, whose
   * tiles take up to twice the time of others.
   */
  public static final EstimateCost CUDA = new EstimateCost(2300, 8);
}
