package io.sparsefill.udf;

import io.sparsefill.kernels.AttentionIndex;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.attention.AttentionPlan;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The lines of {@code --attention static}: chosen for each layer and head on the first document
 * that an engine finishes, and taken as they are on all later ones, less those that lie beyond
 * them. A layer whose attention that document did not need (the last one, where only keys and
 * values leave) takes those of the first document that does. Without that mode nothing is kept. An
 * engine owns one, in host memory, for one pre-fill after the other.
 *
 * <p>MInference's code (vertical_and_slash_kernel_static) keeps one set in each layer, which its
 * loop over heads fills with those of head 0; its paper speaks of the indices of each head.
 */
final class KeptLines {
  private final boolean keeps;
  private final Map<Integer, List<HeadPattern.GivenLines>> layers = new HashMap<>();
  private int tokens;
  private int[] given;

  KeptLines(AttentionPlan plan) {
    this.keeps = plan.keepsLines();
  }

  /** Whether lines are missing that shall be those of a given document. */
  boolean lack(int[] document) {
    return keeps && !Arrays.equals(given, document);
  }

  /** Forgets all lines: the next document that is pre-filled to its end chooses anew. */
  void forget() {
    layers.clear();
    given = null;
  }

  /** Names the document, given by the caller, that has chosen the lines. */
  void chosenOn(int[] document) {
    given = document.clone();
  }

  /** Begins a document of T tokens. */
  Document begin(int documentTokens) {
    return new Document(documentTokens);
  }

  /** One document's view: lines that are there already, or its own, which it leaves behind. */
  final class Document {
    private final int length;
    private final Map<Integer, List<HeadPattern.GivenLines>> chosen = new HashMap<>();

    private Document(int length) {
      this.length = length;
    }

    /**
     * The patterns of a layer's heads.
     *
     * @param planned what the plan says, which holds where there are no kept lines
     */
    List<HeadPattern> patterns(int layer, List<HeadPattern> planned) {
      List<HeadPattern.GivenLines> kept = layers.get(layer);
      return kept == null
          ? planned
          : kept.stream().<HeadPattern>map(lines -> lines.within(length)).toList();
    }

    /** Sees the index of a layer while it is open. */
    void indexed(int layer, AttentionIndex index) {
      if (keeps && !layers.containsKey(layer)) {
        chosen.put(layer, index.lines());
      }
    }

    /**
     * Ends a document that was pre-filled to its end.
     *
     * @return whose lines it took, for its description; empty if its own
     */
    String end() {
      boolean first = layers.isEmpty();
      layers.putAll(chosen);
      if (first) {
        tokens = length;
        return "";
      }
      return ", lines of an earlier document of %,d tokens".formatted(tokens);
    }
  }
}
