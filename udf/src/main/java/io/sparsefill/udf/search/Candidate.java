package io.sparsefill.udf.search;

import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.LineChoice;
import io.sparsefill.kernels.attention.AttentionPlan;
import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.PatternTable;
import io.sparsefill.kernels.attention.TileIndex;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * A family of patterns that differ in size only: vertical-slash or A-shape with a fixed ratio of
 * its two sizes, or block-sparse. Sizes are counted in one number: columns and distances together,
 * or tiles.
 *
 * @param name as {@code --attention} names the member that defines the ratio
 * @param kind what it is
 * @param first first part of the ratio; 0 for block-sparse
 * @param second second part
 * @param choice how lines are chosen; {@link LineChoice#LAST_QUERIES} for other patterns too
 */
public record Candidate(String name, Kind kind, int first, int second, LineChoice choice)
    implements Serializable {
  /** The patterns that MInference's files can hold. */
  public enum Kind {
    /** Columns and diagonals. */
    VERTICAL_SLASH,
    /** First keys and a window. */
    A_SHAPE,
    /** Key tiles by their means. */
    BLOCK_SPARSE
  }

  /**
   * The space of the paper (arXiv 2407.02490, table 7), of which only the ratios count here: one
   * A-shape, four vertical-slash, block-sparse; and the ratio that MInference's code defaults to,
   * 1000:6096.
   */
  public static final String DEFAULT_SPACE =
      "vertical-slash:30:2048,vertical-slash:100:1800,vertical-slash:1000:6096,"
          + "vertical-slash:500:1500,vertical-slash:3000:200,a-shape:1024:4096,block-sparse";

  /**
   * Reads a comma-separated list.
   *
   * @throws IllegalArgumentException for a name that is none or comes twice, or a pattern that
   *     pattern files cannot hold
   */
  public static List<Candidate> parse(String list) {
    List<Candidate> candidates = new ArrayList<>();
    for (String word : list.split(",", -1)) {
      Candidate candidate = of(word.strip());
      if (candidates.stream().anyMatch(other -> other.isSameFamilyAs(candidate))) {
        throw new IllegalArgumentException(
            "Cannot search among '%s': %s is there twice, its ratio counts and not its sizes"
                .formatted(list, candidate.name));
      }
      candidates.add(candidate);
    }
    refuseMixedChoices(list, candidates);
    return List.copyOf(candidates);
  }

  private static void refuseMixedChoices(String list, List<Candidate> candidates) {
    long choices =
        candidates.stream()
            .filter(candidate -> candidate.kind == Kind.VERTICAL_SLASH)
            .map(Candidate::choice)
            .distinct()
            .count();
    if (choices > 1) {
      throw new IllegalArgumentException(
          "Cannot search among '%s': a pattern file does not say what follows a plus; give all vertical-slash candidates the same"
              .formatted(list));
    }
  }

  /**
   * What follows a plus on the vertical-slash candidates, with the plus; empty if nothing does.
   * Patterns that were searched with it must run with it.
   */
  public static String refinement(List<Candidate> candidates) {
    return candidates.stream()
        .filter(candidate -> candidate.name.contains("+"))
        .map(candidate -> candidate.name.substring(candidate.name.indexOf('+')))
        .findFirst()
        .orElse("");
  }

  private static Candidate of(String word) {
    HeadPattern pattern = AttentionPlan.parse(word, null, 1, 1).layer(0).get(0);
    // Other modes compute the same patterns by tables of their own.
    String mode = word.split(":", 2)[0];
    LineChoice plain = LineChoice.LAST_QUERIES;
    if (mode.equals("vertical-slash") && pattern instanceof HeadPattern.ChosenLines chosen) {
      HeadPattern.VerticalSlash lines = chosen.sizes();
      return new Candidate(
          word, Kind.VERTICAL_SLASH, lines.vertical(), lines.slash(), chosen.choice());
    }
    if (mode.equals("vertical-slash") && pattern instanceof HeadPattern.VerticalSlash lines) {
      return new Candidate(word, Kind.VERTICAL_SLASH, lines.vertical(), lines.slash(), plain);
    }
    if (mode.equals("a-shape") && pattern instanceof HeadPattern.AShape aShape) {
      return new Candidate(word, Kind.A_SHAPE, aShape.initial(), aShape.local(), plain);
    }
    if (mode.equals("block-sparse")) {
      return new Candidate(word, Kind.BLOCK_SPARSE, 0, 1, plain);
    }
    throw new IllegalArgumentException(
        "Cannot search with candidate '%s': a pattern file holds vertical-slash:V:S, a-shape[:INITIAL:LOCAL] and block-sparse"
            .formatted(word));
  }

  private boolean isSameFamilyAs(Candidate other) {
    return kind == other.kind && (long) first * other.second == (long) second * other.first;
  }

  /** The smallest size. */
  int least() {
    return switch (kind) {
      case VERTICAL_SLASH -> LineSelection.SMALLEST_VERTICAL + LineSelection.SMALLEST_SLASH;
      case A_SHAPE -> 2;
      case BLOCK_SPARSE -> 1;
    };
  }

  /** A size that is dense on a document of T tokens. */
  int most(int tokens) {
    double larger = (double) Math.max(first, second) / ((double) first + second);
    return switch (kind) {
      case VERTICAL_SLASH -> Math.max(least(), (int) Math.ceil(tokens / larger));
      case A_SHAPE -> Math.max(least(), (int) Math.ceil(TileIndex.tiles(tokens) / larger) + 1);
      case BLOCK_SPARSE -> TileIndex.tiles(tokens);
    };
  }

  /** The member of a size. */
  public HeadPattern at(int size) {
    HeadPattern plain = plainAt(size);
    return choice.equals(LineChoice.LAST_QUERIES)
        ? plain
        : new HeadPattern.ChosenLines((HeadPattern.VerticalSlash) plain, choice);
  }

  private HeadPattern plainAt(int size) {
    int share = (int) Math.round((double) size * first / ((double) first + second));
    return switch (kind) {
      case VERTICAL_SLASH ->
          new HeadPattern.VerticalSlash(
              Math.max(LineSelection.SMALLEST_VERTICAL, share),
              Math.max(LineSelection.SMALLEST_SLASH, size - share));
      case A_SHAPE -> {
        int initial = Math.max(1, share);
        yield new HeadPattern.AShape(
            initial * TileIndex.TILE, Math.max(1, size - initial) * TileIndex.TILE);
      }
      case BLOCK_SPARSE -> new HeadPattern.BlockSparse(size);
    };
  }

  /** The member of a size as a pattern file holds it, which does not say how lines are chosen. */
  public PatternTable.Entry entry(int size, double score) {
    HeadPattern pattern = plainAt(size);
    if (pattern instanceof HeadPattern.VerticalSlash lines) {
      return new PatternTable.Entry("vertical_and_slash", lines.vertical(), lines.slash(), score);
    }
    if (pattern instanceof HeadPattern.AShape aShape) {
      return new PatternTable.Entry("stream_llm", aShape.initial(), aShape.local(), score);
    }
    return new PatternTable.Entry("block_sparse", size, 0, score);
  }
}
