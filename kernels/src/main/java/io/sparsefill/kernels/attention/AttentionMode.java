package io.sparsefill.kernels.attention;

import io.sparsefill.kernels.HeadPattern;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * The words of {@code --attention}: what each makes of a head, its sizes, and where it comes from.
 * MInference's ablations and baselines are there to compare with; none of them runs a head densely
 * because that would be cheaper, as {@link #MINFERENCE} does.
 */
public enum AttentionMode {
  /** A searched pattern for each head. */
  MINFERENCE(
      "minference",
      "each head's pattern from --patterns, dense where that is not dearer",
      "arXiv 2407.02490 section 3; minference_forward.py",
      PatternTable.Entry::toPattern),
  /** All causal scores. */
  DENSE(
      "dense",
      "all causal scores",
      "arXiv 1706.03762",
      new Sizes("", sizes -> new HeadPattern.Dense())),
  /** First keys and a window. */
  A_SHAPE(
      "a-shape",
      "the first INITIAL keys and the last LOCAL distances, in whole tiles",
      "StreamingLLM, arXiv 2309.17453; streaming_kernel.py (attn_type a_shape: 128:3968)",
      new Sizes("INITIAL:LOCAL", sizes -> new HeadPattern.AShape(sizes[0], sizes[1]), 1024, 4096)),
  /** A-shape and dense last queries. */
  TRI_SHAPE(
      "tri-shape",
      "a-shape, and every key for the tiles of the LAST queries",
      "minference_forward.py: tri_shape_kernel",
      new Sizes(
          "INITIAL:LOCAL:LAST",
          sizes -> new HeadPattern.TriShape(sizes[0], sizes[1], sizes[2]),
          128,
          3968,
          100)),
  /** A window of every second key. */
  DILATED(
      "dilated",
      "the first INITIAL keys, the query tile's own, and every second key of the last WINDOW",
      "arXiv 2407.02490 section 4, StreamingLLM w/ dilated; attn_type dilated1",
      new Sizes(
          "INITIAL:WINDOW", sizes -> new HeadPattern.Dilated(sizes[0], 0, sizes[1]), 1024, 8192)),
  /** A window, and one of every second key behind it. */
  STRIDED(
      "strided",
      "the first INITIAL keys, the last LOCAL distances, and every second key of WINDOW behind them",
      "arXiv 2407.02490 section 4, StreamingLLM w/ strided; attn_type dilated2",
      new Sizes(
          "INITIAL:LOCAL:WINDOW",
          sizes -> new HeadPattern.Dilated(sizes[0], sizes[1], sizes[2]),
          1024,
          2048,
          4096)),
  /** Columns and diagonals of given sizes. */
  VERTICAL_SLASH(
      "vertical-slash",
      "the V columns and S diagonals that the last 64 queries attend to most",
      "arXiv 2407.02490 section 3.2; vertical_and_slash_kernel",
      new Sizes("V:S", sizes -> new HeadPattern.VerticalSlash(sizes[0], sizes[1]))),
  /** Columns and diagonals of each head's sizes. */
  VERTICAL_SLASH_ONLY(
      "vertical-slash-only",
      "vertical-slash on every head, with the two sizes of its entry in --patterns",
      "arXiv 2407.02490 section 4, Ours w/ only vertical-slash; minference_forward.py: vs_only",
      entry -> new HeadPattern.VerticalSlash(entry.first(), entry.second())),
  /** Columns alone. */
  VERTICAL_ONLY(
      "vertical-only",
      "the columns of vertical-slash and the main diagonal; V from --patterns if not given",
      "arXiv 2407.02490 section 4, Ours w/ only vertical (and one slash)",
      entry -> new HeadPattern.VerticalOnly(entry.first()),
      new Sizes("V", sizes -> new HeadPattern.VerticalOnly(sizes[0]))),
  /** Diagonals alone. */
  SLASH_ONLY(
      "slash-only",
      "the diagonals of vertical-slash and the first column; S from --patterns if not given",
      "arXiv 2407.02490 section 4, Ours w/ only slash (and one vertical)",
      entry -> new HeadPattern.SlashOnly(entry.second()),
      new Sizes("S", sizes -> new HeadPattern.SlashOnly(sizes[0]))),
  /** Columns and diagonals of the first document. */
  STATIC(
      "static",
      "the lines that vertical-slash chose on an engine's first document; V and S from --patterns if"
          + " not given",
      "arXiv 2407.02490 section 4, Ours w/ static; vertical_and_slash_kernel_static",
      entry -> new HeadPattern.VerticalSlash(entry.first(), entry.second()),
      new Sizes("V:S", sizes -> new HeadPattern.VerticalSlash(sizes[0], sizes[1]))),
  /** Key tiles of each query tile. */
  BLOCK_SPARSE(
      "block-sparse",
      "for each query tile the TILES key tiles whose mean key fits its mean query best",
      "arXiv 2407.02490 section 3.2; block_sparse_flash_attention.py",
      new Sizes("TILES", sizes -> new HeadPattern.BlockSparse(sizes[0]), 100)),
  /** The same; upstream's kernel does not read a head's sizes. */
  BLOCK_SPARSE_ONLY(
      "block-sparse-only",
      "block-sparse:100, which is what the kernel takes on every head, whatever its sizes are",
      "arXiv 2407.02490 section 4, Ours w/ only block-sparse; block_sparse_kernel",
      new Sizes("", sizes -> new HeadPattern.BlockSparse(100))),
  /** The best keys of each query. */
  TOP_K(
      "top-k",
      "the K keys of its largest scores, an oracle: it computes all scores to find them",
      "arXiv 2407.02490 section 2 (its top 4,096 columns)",
      new Sizes("K", sizes -> new HeadPattern.TopKeys(sizes[0]), 4096)),
  /** First keys, a window, and retrieved blocks. */
  INF_LLM(
      "inf-llm",
      "the first INITIAL keys, the last LOCAL distances, and the BLOCKS blocks of 128 keys between"
          + " them that fit its block of 512 queries best",
      "InfLLM, arXiv 2402.04617 section 3; inf_llm.py (2407.02490 has LOCAL 8192)",
      new Sizes(
          "INITIAL:LOCAL:BLOCKS",
          sizes -> new HeadPattern.Retrieved(sizes[0], sizes[1], sizes[2]),
          128,
          4096,
          16));

  private final String word;
  private final String summary;
  private final String source;
  private final Function<PatternTable.Entry, HeadPattern> ofEntry;
  private final Sizes sizes;

  AttentionMode(String word, String summary, String source, Sizes sizes) {
    this(word, summary, source, null, sizes);
  }

  AttentionMode(
      String word,
      String summary,
      String source,
      Function<PatternTable.Entry, HeadPattern> ofEntry) {
    this(word, summary, source, ofEntry, null);
  }

  AttentionMode(
      String word,
      String summary,
      String source,
      Function<PatternTable.Entry, HeadPattern> ofEntry,
      Sizes sizes) {
    this.word = word;
    this.summary = summary;
    this.source = source;
    this.ofEntry = ofEntry;
    this.sizes = sizes;
  }

  /** What may follow the word, and the same pattern on every head that it stands for. */
  private static final class Sizes {
    private final String names;
    private final Function<int[], HeadPattern> pattern;
    private final int[] defaults;

    /**
     * Sizes.
     *
     * @param names with colons between them; empty if there are none
     * @param defaults as many as names, or none if they must be given
     */
    Sizes(String names, Function<int[], HeadPattern> pattern, int... defaults) {
      this.names = names;
      this.pattern = pattern;
      this.defaults = defaults;
    }

    int count() {
      return names.isEmpty() ? 0 : names.split(":").length;
    }

    boolean mayBeLeftOut() {
      return defaults.length == count();
    }
  }

  /** The mode of a word, without sizes. */
  static Optional<AttentionMode> of(String word) {
    return Arrays.stream(values()).filter(mode -> mode.word.equals(word)).findFirst();
  }

  /** The forms of all modes, for messages. */
  static String accepted() {
    return "accepted are "
        + Arrays.stream(values()).map(AttentionMode::form).collect(Collectors.joining(", "));
  }

  /** The modes that take a pattern for each head from a file, for messages. */
  static String withTable() {
    return Arrays.stream(values())
        .filter(AttentionMode::takesTable)
        .map(AttentionMode::word)
        .collect(Collectors.joining(", "));
  }

  /** What is written after {@code --attention}, before sizes. */
  public String word() {
    return word;
  }

  /** The word and its sizes, those that may be left out in brackets. */
  public String form() {
    if (sizes == null || sizes.count() == 0) {
      return word;
    }
    boolean optional = takesTable() || sizes.mayBeLeftOut();
    return word + (optional ? "[:" + sizes.names + "]" : ":" + sizes.names);
  }

  /** The sizes without any given: numbers, a pattern file's, or none. */
  public String defaults() {
    if (takesTable()) {
      return "--patterns, else %d:%d"
          .formatted(PatternTable.DEFAULT.first(), PatternTable.DEFAULT.second());
    }
    return Arrays.stream(sizes.defaults)
        .mapToObj(Integer::toString)
        .collect(Collectors.joining(":"));
  }

  /** What a query sees. */
  public String summary() {
    return summary;
  }

  /** Paper and section, or file of microsoft/MInference. */
  public String source() {
    return source;
  }

  /** The backends that have it, as {@code --backend} names them. */
  public List<String> backends() {
    return this == TOP_K || this == INF_LLM ? List.of("cpu") : List.of("cpu", "cuda");
  }

  /** Whether, without sizes, each head has a pattern of its own, from a pattern file or not. */
  boolean takesTable() {
    return ofEntry != null;
  }

  /** The pattern of a head with an entry of a pattern file. */
  HeadPattern pattern(PatternTable.Entry entry) {
    return ofEntry.apply(entry);
  }

  /**
   * The pattern of every head for given sizes, or for none, which stands for the defaults; empty if
   * this mode does not take so many.
   */
  Optional<HeadPattern> pattern(int[] given) {
    if (sizes == null || (given.length != sizes.count() && given.length > 0)) {
      return Optional.empty();
    }
    if (given.length == 0 && !sizes.mayBeLeftOut()) {
      return Optional.empty();
    }
    return Optional.of(sizes.pattern.apply(given.length == 0 ? sizes.defaults : given));
  }
}
