package io.sparsefill.kernels.attention;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparsefill.kernels.HeadPattern;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The pattern of every head of a model, as MInference's pattern files hold them: a JSON list over
 * layers of objects {@code "head": [pattern, first size, second size, score]} (minference/configs).
 */
public final class PatternTable {
  /** What MInference runs on a head that its file leaves out (minference_forward.py). */
  public static final Entry DEFAULT = new Entry("vertical_and_slash", 1000, 6096, 1);

  private static final ObjectMapper JSON =
      new ObjectMapper()
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION);

  private final List<List<Entry>> layers;

  private PatternTable(List<List<Entry>> layers) {
    this.layers = layers;
  }

  /**
   * One head's entry.
   *
   * @param pattern {@code vertical_and_slash}, {@code stream_llm} or {@code block_sparse}
   * @param first columns, initial tokens, or key tiles of a block_sparse entry whose second size is
   *     0
   * @param second slashes, or local tokens; 0 for a block_sparse entry with a size of its own
   * @param score what the search gave it; nothing reads it while running
   */
  public record Entry(String pattern, int first, int second, double score) {
    /**
     * MInference's kernel always takes 100 tiles (minference_forward.py), whatever the entry's
     * sizes are. Here an entry {@code ["block_sparse", K, 0, score]}, which MInference never
     * writes, takes K.
     */
    private static final int BLOCK_SPARSE_TILES = 100;

    /**
     * The pattern to run.
     *
     * @throws IllegalArgumentException for an unknown name, naming the accepted ones
     */
    public HeadPattern toPattern() {
      return switch (pattern) {
        case "vertical_and_slash" -> new HeadPattern.VerticalSlash(first, second);
        case "stream_llm" -> new HeadPattern.AShape(first, second);
        case "block_sparse" ->
            new HeadPattern.BlockSparse(second == 0 ? first : BLOCK_SPARSE_TILES);
        default ->
            throw new IllegalArgumentException(
                "Unknown pattern '"
                    + pattern
                    + "': accepted are vertical_and_slash, stream_llm, block_sparse");
      };
    }
  }

  /** A table of given entries: one for each head of each layer. */
  public static PatternTable of(List<List<Entry>> layers) {
    return new PatternTable(layers.stream().map(List::copyOf).toList());
  }

  /** The same entry on every head. */
  public static PatternTable uniform(Entry entry, int layers, int heads) {
    List<List<Entry>> table = new ArrayList<>();
    for (int l = 0; l < layers; l++) {
      table.add(Collections.nCopies(heads, entry));
    }
    return new PatternTable(table);
  }

  /**
   * Reads a pattern file.
   *
   * @param json the file's content
   * @param layers layers of the model; the file must have as many
   * @param heads query heads; heads that a layer leaves out get {@link #DEFAULT}, but a file whose
   *     layers all name the same first heads and no others is one of a smaller model
   * @throws IllegalArgumentException saying which layer and head is wrong
   */
  public static PatternTable parse(String json, int layers, int heads) {
    JsonNode root;
    try {
      root = JSON.readTree(json);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException(
          "Cannot read the pattern file: it is not JSON: " + e.getOriginalMessage(), e);
    }
    if (!root.isArray() || root.size() != layers) {
      throw new IllegalArgumentException(
          "Cannot use the pattern file: it must be a list of %d layers, as the model has, but is %s"
              .formatted(layers, root.isArray() ? "a list of " + root.size() : "no list"));
    }
    List<List<Entry>> table = new ArrayList<>();
    for (int l = 0; l < layers; l++) {
      table.add(layer(root.get(l), l, heads));
    }
    refuseFewerHeads(root, heads);
    return new PatternTable(table);
  }

  /**
   * The default is for single heads that a file leaves out. Where every layer has heads 0 .. n - 1
   * alone, it would silently become the pattern of all further heads of a larger model.
   */
  private static void refuseFewerHeads(JsonNode root, int heads) {
    int named = root.get(0).size();
    for (JsonNode layer : root) {
      boolean firstHeads =
          layer.size() == named
              && IntStream.range(0, named).allMatch(h -> layer.has(Integer.toString(h)));
      if (!firstHeads) {
        return;
      }
    }
    if (named > 0 && named < heads) {
      throw new IllegalArgumentException(
          "Cannot use the pattern file: its layers have heads 0 to %d, but the model has heads 0 to %d"
              .formatted(named - 1, heads - 1));
    }
  }

  private static List<Entry> layer(JsonNode layer, int l, int heads) {
    if (!layer.isObject()) {
      throw new IllegalArgumentException(
          "Cannot use the pattern file: layer %d is %s, not an object of heads"
              .formatted(l, layer));
    }
    for (var names = layer.fieldNames(); names.hasNext(); ) {
      String name = names.next();
      if (!name.matches("0|[1-9]\\d{0,4}") || Integer.parseInt(name) >= heads) {
        throw new IllegalArgumentException(
            "Cannot use the pattern file: layer %d names head '%s', but the model has heads 0 to %d"
                .formatted(l, name, heads - 1));
      }
    }
    List<Entry> entries = new ArrayList<>();
    for (int h = 0; h < heads; h++) {
      JsonNode entry = layer.get(Integer.toString(h));
      entries.add(entry == null ? DEFAULT : entry(entry, l, h));
    }
    return List.copyOf(entries);
  }

  private static Entry entry(JsonNode node, int l, int h) {
    boolean right =
        node.isArray()
            && node.size() >= 3
            && node.get(0).isTextual()
            && node.get(1).isInt()
            && node.get(2).isInt()
            && (node.size() < 4 || node.get(3).isNumber());
    if (!right) {
      throw new IllegalArgumentException(
          "Cannot use the pattern file: layer %d head %d is %s, not [pattern, size, size, score]"
              .formatted(l, h, node));
    }
    Entry entry =
        new Entry(
            node.get(0).asText(),
            node.get(1).asInt(),
            node.get(2).asInt(),
            node.size() < 4 ? 0 : node.get(3).asDouble());
    try {
      entry.toPattern();
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "Cannot use the pattern file: layer %d head %d: %s".formatted(l, h, e.getMessage()), e);
    }
    return entry;
  }

  /** The table in MInference's format, one layer to a line. */
  public String toJson() {
    StringBuilder lines = new StringBuilder();
    for (List<Entry> layer : layers) {
      ObjectNode heads = JSON.createObjectNode();
      for (int h = 0; h < layer.size(); h++) {
        Entry entry = layer.get(h);
        ArrayNode values = heads.putArray(Integer.toString(h));
        values.add(entry.pattern()).add(entry.first()).add(entry.second());
        if (entry.score() == Math.rint(entry.score()) && Math.abs(entry.score()) < 1L << 53) {
          values.add((long) entry.score());
        } else {
          values.add(entry.score());
        }
      }
      lines.append(lines.isEmpty() ? "[" : ",\n ").append(heads);
    }
    return lines.append("]\n").toString();
  }

  /** Number of layers. */
  public int layers() {
    return layers.size();
  }

  /** The entries of a layer's heads. */
  public List<Entry> layer(int layer) {
    return layers.get(layer);
  }
}
