package io.sparsefill.kernels.attention;

import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.LineChoice;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;

/**
 * What {@code --attention} and {@code --patterns} ask for: a pattern for every head of every layer,
 * and whether a head may run densely when its pattern would not be cheaper.
 */
public final class AttentionPlan {
  private final String name;
  private final AttentionMode mode;
  private final LineChoice choice;
  private final List<List<HeadPattern>> layers;

  private AttentionPlan(
      String name, AttentionMode mode, LineChoice choice, List<List<HeadPattern>> layers) {
    this.name = name;
    this.mode = mode;
    this.choice = choice;
    this.layers = layers;
  }

  /**
   * Reads the options.
   *
   * @param attention a word of {@link AttentionMode}, sizes behind it: {@code minference} takes a
   *     pattern for each head and runs those densely where that is not dearer; {@code dense}; and
   *     others, which compute what they say; then each {@link Refinement} behind a plus
   * @param patternsJson content of a pattern file, for modes that take a pattern for each head;
   *     null takes MInference's default sizes
   * @throws IllegalArgumentException saying what is accepted
   */
  public static AttentionPlan parse(String attention, String patternsJson, int layers, int heads) {
    List<String> parts = List.of(attention.split("\\+", -1));
    String[] words = parts.get(0).split(":", -1);
    AttentionMode mode = AttentionMode.of(words[0]).orElseThrow(() -> unknown(attention, ""));
    LineChoice choice = choice(attention, parts.subList(1, parts.size()));
    int[] sizes = sizes(attention, words);
    if (sizes.length == 0 && mode.takesTable()) {
      PatternTable table =
          patternsJson == null
              ? PatternTable.uniform(PatternTable.DEFAULT, layers, heads)
              : PatternTable.parse(patternsJson, layers, heads);
      return refined(attention, mode, choice, perHead(mode, table));
    }
    HeadPattern pattern = mode.pattern(sizes).orElseThrow(() -> unknown(attention, ""));
    if (patternsJson != null) {
      throw new IllegalArgumentException(
          "A pattern file needs --attention %s, without sizes, not '%s'"
              .formatted(AttentionMode.withTable(), attention));
    }
    List<HeadPattern> same = Collections.nCopies(heads, pattern);
    return refined(attention, mode, choice, Collections.nCopies(layers, same));
  }

  private static LineChoice choice(String attention, List<String> words) {
    try {
      return Refinements.parse(words);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "Unknown attention '" + attention + "': " + e.getMessage(), e);
    }
  }

  private static AttentionPlan refined(
      String name, AttentionMode mode, LineChoice choice, List<List<HeadPattern>> layers) {
    if (choice.equals(LineChoice.LAST_QUERIES)) {
      return new AttentionPlan(name, mode, choice, layers);
    }
    boolean lines =
        layers.stream()
            .flatMap(List::stream)
            .anyMatch(pattern -> pattern instanceof HeadPattern.VerticalSlash);
    if (mode == AttentionMode.STATIC || !lines) {
      throw new IllegalArgumentException(
          "Cannot use --attention %s: %s needs heads that choose columns and diagonals for each document, as those of vertical-slash"
              .formatted(name, name.substring(name.indexOf('+'))));
    }
    List<List<HeadPattern>> refined =
        layers.stream()
            .map(layer -> layer.stream().map(head -> Refinements.apply(choice, head)).toList())
            .toList();
    return new AttentionPlan(name, mode, choice, refined);
  }

  /** Whether an option takes a pattern for each head, from a file where there is one. */
  public static boolean readsPatterns(String attention) {
    return AttentionMode.of(attention.split("\\+", -1)[0])
        .map(AttentionMode::takesTable)
        .orElse(false);
  }

  private static List<List<HeadPattern>> perHead(AttentionMode mode, PatternTable table) {
    List<List<HeadPattern>> patterns = new ArrayList<>();
    for (int l = 0; l < table.layers(); l++) {
      List<HeadPattern> layer = new ArrayList<>();
      for (PatternTable.Entry entry : table.layer(l)) {
        try {
          layer.add(mode.pattern(entry));
        } catch (IllegalArgumentException e) {
          throw new IllegalArgumentException(
              "Cannot use the pattern file for %s: layer %d head %d: %s"
                  .formatted(mode.word(), l, layer.size(), e.getMessage()),
              e);
        }
      }
      patterns.add(List.copyOf(layer));
    }
    return patterns;
  }

  private static int[] sizes(String attention, String[] words) {
    int[] sizes = new int[words.length - 1];
    for (int i = 0; i < sizes.length; i++) {
      if (!words[i + 1].matches("\\d{1,9}")) {
        throw unknown(attention, "'" + words[i + 1] + "' is not a size; ");
      }
      sizes[i] = Integer.parseInt(words[i + 1]);
    }
    return sizes;
  }

  private static IllegalArgumentException unknown(String attention, String why) {
    return new IllegalArgumentException(
        "Unknown attention '" + attention + "': " + why + AttentionMode.accepted());
  }

  /** The patterns of a layer's heads. */
  public List<HeadPattern> layer(int layer) {
    return layers.get(layer);
  }

  /** Whether a head whose sparse cost would not be lower runs densely. */
  public boolean dispatch() {
    return mode == AttentionMode.MINFERENCE;
  }

  /**
   * Whether the lines that heads choose on a first document are those of all later ones ({@link
   * AttentionMode#STATIC}).
   */
  public boolean keepsLines() {
    return mode == AttentionMode.STATIC;
  }

  /** Whether an option means that; its numbers then depend on the order of documents. */
  public static boolean keepsLines(String attention) {
    return attention.split("[:+]", -1)[0].equals(AttentionMode.STATIC.word());
  }

  /**
   * Checks that a backend has this attention.
   *
   * @param backend {@code cpu} or {@code cuda}
   * @throws IllegalArgumentException if it has not
   */
  public void checkBackend(String backend) {
    if (!mode.backends().contains(backend)) {
      throw new IllegalArgumentException(
          "Cannot compute --attention %s by %s: it is for analysis, and only %s has it; use --backend %s"
              .formatted(
                  name, backend, String.join(", ", mode.backends()), mode.backends().get(0)));
    }
  }

  /** Whether an index looks at the queries of all tokens, whichever of its rows are wanted. */
  public boolean readsAllQueries() {
    return mode == AttentionMode.INF_LLM || choice.probes() > 0;
  }

  /** The option's word, with its sizes. */
  public String name() {
    return name;
  }

  /**
   * Hex SHA-256 over every head's pattern: two plans with the same digest compute the same scores.
   */
  public String digest() {
    try {
      byte[] hash =
          MessageDigest.getInstance("SHA-256")
              .digest(
                  (dispatch() + " " + layers + (keepsLines() ? " static" : ""))
                      .getBytes(StandardCharsets.UTF_8));
      return HexFormat.of().formatHex(hash);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every JVM has SHA-256", e);
    }
  }
}
