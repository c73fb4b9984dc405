package io.sparsefill.kernels;

import java.util.Arrays;

/**
 * Which scores one head computes. Each pattern is turned into runs of key tiles and single key
 * columns by its index builder; the attention operator knows only the result, an {@link
 * AttentionIndex}.
 */
public sealed interface HeadPattern {
  /**
   * This pattern as {@code --attention} spells it, sizes behind colons: {@code
   * vertical-slash:100:800}.
   */
  String spelled();

  /** All causal scores. */
  record Dense() implements HeadPattern {
    @Override
    public String spelled() {
      return "dense";
    }
  }

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

    @Override
    public String spelled() {
      return "a-shape:" + initial + ":" + local;
    }
  }

  /**
   * A-shape, and all keys for the last queries (tri-shape: MInference's attn_type "tri_shape").
   *
   * @param initial first keys which every query sees
   * @param local distances 0 .. local - 1 which every query sees
   * @param last queries at the end which see every key
   */
  record TriShape(int initial, int local, int last) implements HeadPattern {
    /** Checks the sizes. */
    public TriShape {
      if (initial < 0 || local < 1 || last < 1) {
        throw new IllegalArgumentException(
            "tri-shape %d:%d:%d: initial must be at least 0, local and last at least 1"
                .formatted(initial, local, last));
      }
    }

    @Override
    public String spelled() {
      return "tri-shape:" + initial + ":" + local + ":" + last;
    }
  }

  /**
   * The first keys, a sliding window, and every second key of a window behind that (the baselines
   * "dilated" and "strided" of MInference section 4).
   *
   * <p>The original leaves out every second distance, so that queries side by side see other keys.
   * Here the 64 queries of a tile share their keys: tiles take even and odd keys in turns.
   *
   * @param initial first keys which every query sees
   * @param local distances 0 .. local - 1 which every query sees; 0 leaves the query tile's own
   * @param dilated distances behind those, of whose keys every second one is seen
   */
  record Dilated(int initial, int local, int dilated) implements HeadPattern {
    /** Checks the sizes. */
    public Dilated {
      if (initial < 0 || local < 0 || dilated < 1) {
        throw new IllegalArgumentException(
            "dilated window %d:%d:%d: initial and local must be at least 0, dilated at least 1"
                .formatted(initial, local, dilated));
      }
    }

    @Override
    public String spelled() {
      return local == 0
          ? "dilated:" + initial + ":" + dilated
          : "strided:" + initial + ":" + local + ":" + dilated;
    }
  }

  /** Key columns and diagonals, each seen as far as causality allows. */
  sealed interface Lines extends HeadPattern {}

  /**
   * Key columns and diagonals which the last 64 queries attend to most (MInference section 3.2,
   * vertical-slash).
   *
   * @param vertical how many key columns; the first 30 are always among them
   * @param slash how many distances; 0 .. 99 are always among them
   */
  record VerticalSlash(int vertical, int slash) implements Lines {
    /** Checks the sizes. */
    public VerticalSlash {
      if (vertical < 1 || slash < 1) {
        throw new IllegalArgumentException(
            "vertical-slash %d:%d: both sizes must be at least 1".formatted(vertical, slash));
      }
    }

    @Override
    public String spelled() {
      return "vertical-slash:" + vertical + ":" + slash;
    }
  }

  /**
   * Columns and diagonals in number as vertical-slash has them, chosen in another way.
   *
   * @param sizes how many
   * @param choice which
   */
  record ChosenLines(VerticalSlash sizes, LineChoice choice) implements Lines {
    @Override
    public String spelled() {
      return sizes.spelled()
          + (choice.probes() == 0 ? "" : "+probes:" + choice.probes())
          + (choice.bands() ? "+bands" : "");
    }
  }

  /**
   * The key columns of vertical-slash, and of its diagonals the main one alone (MInference section
   * 4, ablation "only vertical"). A query sees itself and its tile's keys before it.
   *
   * @param vertical how many key columns; the first 30 are always among them
   */
  record VerticalOnly(int vertical) implements Lines {
    /** Checks the size. */
    public VerticalOnly {
      if (vertical < 1) {
        throw new IllegalArgumentException(
            "vertical-only %d: at least 1 column is needed".formatted(vertical));
      }
    }

    @Override
    public String spelled() {
      return "vertical-only:" + vertical;
    }
  }

  /**
   * The diagonals of vertical-slash, and of its columns the first key alone (MInference section 4,
   * ablation "only slash"); the first key is where the attention sink is.
   *
   * @param slash how many distances; 0 .. 99 are always among them
   */
  record SlashOnly(int slash) implements Lines {
    /** Checks the size. */
    public SlashOnly {
      if (slash < 1) {
        throw new IllegalArgumentException(
            "slash-only %d: at least 1 distance is needed".formatted(slash));
      }
    }

    @Override
    public String spelled() {
      return "slash-only:" + slash;
    }
  }

  /**
   * Columns and diagonals that were chosen before, on this document or another one; those that lie
   * beyond the document have no effect.
   *
   * @param verticals key columns, ascending
   * @param distances distances (query minus key), descending; must end with 0
   */
  @SuppressWarnings("ArrayRecordComponent") // handed from one index to the next, never compared
  record GivenLines(int[] verticals, int[] distances) implements Lines {
    /** Checks that every query sees itself. */
    public GivenLines {
      if (distances.length == 0 || distances[distances.length - 1] != 0) {
        throw new IllegalArgumentException("Given lines need distance 0 among their distances");
      }
    }

    /** Those that lie within a document. */
    public GivenLines within(int tokens) {
      int columns = verticals.length;
      while (columns > 0 && verticals[columns - 1] >= tokens) {
        columns--;
      }
      int far = 0;
      while (distances[far] >= tokens) {
        far++;
      }
      return new GivenLines(
          Arrays.copyOf(verticals, columns), Arrays.copyOfRange(distances, far, distances.length));
    }

    @Override
    public String spelled() {
      return "static:" + verticals.length + ":" + distances.length;
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

    @Override
    public String spelled() {
      return "block-sparse:" + topTiles;
    }
  }

  /**
   * For each query the keys of its largest scores: the oracle of what a sparse pattern could keep.
   * All scores are computed to find them, so it saves nothing.
   *
   * @param keys how many keys of each query
   */
  record TopKeys(int keys) implements HeadPattern {
    /** Checks the size. */
    public TopKeys {
      if (keys < 1) {
        throw new IllegalArgumentException("top-k %d: at least 1 key is needed".formatted(keys));
      }
    }

    @Override
    public String spelled() {
      return "top-k:" + keys;
    }
  }

  /**
   * The first keys, a local window, and blocks of 128 keys between them that fit a block of 512
   * queries best (InfLLM, arXiv 2402.04617).
   *
   * @param initial first keys which every query sees
   * @param local distances 0 .. local - 1 which every query sees
   * @param blocks how many blocks each block of queries retrieves
   */
  record Retrieved(int initial, int local, int blocks) implements HeadPattern {
    /** Checks the sizes. */
    public Retrieved {
      if (initial < 0 || local < 1 || blocks < 1) {
        throw new IllegalArgumentException(
            "inf-llm %d:%d:%d: initial must be at least 0, local and blocks at least 1"
                .formatted(initial, local, blocks));
      }
    }

    @Override
    public String spelled() {
      return "inf-llm:" + initial + ":" + local + ":" + blocks;
    }
  }
}
