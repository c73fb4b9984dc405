package io.sparsefill.kernels.attention;

import io.sparsefill.kernels.HeadPattern;
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
  private static final String ACCEPTED =
      "accepted are minference, dense, a-shape[:INITIAL:LOCAL], vertical-slash:V:S, block-sparse[:TILES]";

  private final String name;
  private final boolean dispatch;
  private final List<List<HeadPattern>> layers;

  private AttentionPlan(String name, boolean dispatch, List<List<HeadPattern>> layers) {
    this.name = name;
    this.dispatch = dispatch;
    this.layers = layers;
  }

  /**
   * Reads the options.
   *
   * @param attention {@code minference} (per-head patterns, dense where that is not dearer), {@code
   *     dense}, or one pattern for every head: {@code a-shape[:INITIAL:LOCAL]} (default 1024:4096,
   *     the paper's baseline), {@code vertical-slash:V:S}, {@code block-sparse[:TILES]} (default
   *     100)
   * @param patternsJson content of a pattern file for {@code minference}; null takes MInference's
   *     default pattern
   * @throws IllegalArgumentException saying what is accepted
   */
  public static AttentionPlan parse(String attention, String patternsJson, int layers, int heads) {
    if (attention.equals("minference")) {
      PatternTable table =
          patternsJson == null
              ? PatternTable.uniform(PatternTable.DEFAULT, layers, heads)
              : PatternTable.parse(patternsJson, layers, heads);
      List<List<HeadPattern>> patterns = new ArrayList<>();
      for (int l = 0; l < layers; l++) {
        patterns.add(table.layer(l).stream().map(PatternTable.Entry::toPattern).toList());
      }
      return new AttentionPlan(attention, true, patterns);
    }
    if (patternsJson != null) {
      throw new IllegalArgumentException(
          "A pattern file needs --attention minference, not '" + attention + "'");
    }
    List<HeadPattern> same = Collections.nCopies(heads, pattern(attention));
    return new AttentionPlan(attention, false, Collections.nCopies(layers, same));
  }

  private static HeadPattern pattern(String attention) {
    String[] words = attention.split(":", -1);
    int[] sizes = new int[words.length - 1];
    for (int i = 0; i < sizes.length; i++) {
      if (!words[i + 1].matches("\\d{1,9}")) {
        throw new IllegalArgumentException(
            "Unknown attention '"
                + attention
                + "': '"
                + words[i + 1]
                + "' is not a size; "
                + ACCEPTED);
      }
      sizes[i] = Integer.parseInt(words[i + 1]);
    }
    String kind = words[0] + "/" + sizes.length;
    return switch (kind) {
      case "dense/0" -> new HeadPattern.Dense();
      case "a-shape/0" -> new HeadPattern.AShape(1024, 4096);
      case "a-shape/2" -> new HeadPattern.AShape(sizes[0], sizes[1]);
      case "vertical-slash/2" -> new HeadPattern.VerticalSlash(sizes[0], sizes[1]);
      case "block-sparse/0" -> new HeadPattern.BlockSparse(100);
      case "block-sparse/1" -> new HeadPattern.BlockSparse(sizes[0]);
      default ->
          throw new IllegalArgumentException("Unknown attention '" + attention + "': " + ACCEPTED);
    };
  }

  /** The patterns of a layer's heads. */
  public List<HeadPattern> layer(int layer) {
    return layers.get(layer);
  }

  /** Whether a head whose sparse cost would not be lower runs densely. */
  public boolean dispatch() {
    return dispatch;
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
              .digest((dispatch + " " + layers).getBytes(StandardCharsets.UTF_8));
      return HexFormat.of().formatHex(hash);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every JVM has SHA-256", e);
    }
  }
}
