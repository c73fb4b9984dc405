package io.sparsefill.kernels;

/**
 * Which scores one head computes. Each pattern is turned into runs of key tiles and single key
 * columns by its index builder; the attention operator knows only the result, an {@link
 * AttentionIndex}.
 */
public sealed interface HeadPattern {
  /** All causal scores. */
  record Dense() implements HeadPattern {}

  /**
   * The first keys and a sliding window (StreamingLLM, arXiv 2309.17453; MInference's A-shape).
   *
   * @param initial first keys which every query sees
   * @param local distances 0 .. local - 1 which every query sees
   */
  record AShape(int initial, int local) implements HeadPattern {
    /** Checks the sizes. */
    public AShape {
      if (initial < 0 || local < 1) {
        throw new IllegalArgumentException(
            "A-shape %d:%d: initial must be at least 0 and local at least 1"
                .formatted(initial, local));
      }
    }
  }

  /**
   * Key columns and diagonals which the last 64 queries attend to most (MInference section 3.2,
   * vertical-slash).
   *
   * @param vertical how many key columns; the first 30 are always among them
   * @param slash how many distances; 0 .. 99 are always among them
   */
  record VerticalSlash(int vertical, int slash) implements HeadPattern {
    /** Checks the sizes. */
    public VerticalSlash {
      if (vertical < 1 || slash < 1) {
        throw new IllegalArgumentException(
            "vertical-slash %d:%d: both sizes must be at least 1".formatted(vertical, slash));
      }
    }
  }

  /**
   * For each query tile the key tiles whose mean key fits the mean query best (MInference section
   * 3.2, block-sparse).
   *
   * @param topTiles how many key tiles of 64 for each query tile
   */
  record BlockSparse(int topTiles) implements HeadPattern {
    /** Checks the size. */
    public BlockSparse {
      if (topTiles < 1) {
        throw new IllegalArgumentException(
            "block-sparse %d: at least 1 tile is needed".formatted(topTiles));
      }
    }
  }
}
