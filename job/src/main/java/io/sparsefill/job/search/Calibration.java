package io.sparsefill.job.search;

import io.sparsefill.job.DocumentStatus;
import io.sparsefill.job.TokenizedDocument;
import io.sparsefill.job.run.UsageException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * The samples of a search.
 *
 * @param lengths in tokens, the longest first
 * @param samples those of each length, in the order of the documents
 */
record Calibration(List<Integer> lengths, List<List<Sample>> samples) {
  /** A document that is shorter than a length by no more than this share of it counts as of it. */
  private static final double NEAR = 0.1;

  /** Without {@code --lengths}, the second one is so much shorter than the longest document. */
  private static final int SHORTER = 4;

  /**
   * A document at one length.
   *
   * @param number among all samples, from 0
   * @param docId its name
   * @param length the length that it stands for
   * @param tokens what is read
   */
  @SuppressWarnings("ArrayRecordComponent") // carried to a task, never compared
  record Sample(int number, String docId, int length, int[] tokens) implements Serializable {}

  /**
   * Chooses samples. Documents that are as long as a length, or up to a tenth shorter, are taken
   * whole; where there is none, longer ones lose their middle, because a question stands at the end
   * (MInference's evaluation on InfiniteBench cuts likewise).
   *
   * @param asked lengths, the longest first; empty for the longest document, at most {@code
   *     mostTokens}, and a quarter of it
   * @param most samples of a length
   * @param mostTokens what the model can read
   * @throws UsageException if a document could not be read, or a length has no sample
   */
  static Calibration of(
      List<TokenizedDocument> documents, List<Integer> asked, int most, int mostTokens) {
    for (TokenizedDocument document : documents) {
      if (document.status() == DocumentStatus.FAILED) {
        throw new UsageException(
            "Cannot calibrate with document '%s': %s"
                .formatted(document.docId(), document.error()));
      }
    }
    int longest = documents.stream().mapToInt(d -> d.tokenIds().length).max().orElse(0);
    List<Integer> lengths = asked.isEmpty() ? lengths(Math.min(longest, mostTokens)) : asked;
    List<List<Sample>> samples = new ArrayList<>();
    int number = 0;
    for (int length : lengths) {
      List<Sample> ofLength = new ArrayList<>();
      for (TokenizedDocument document : documentsOf(documents, length, longest, most)) {
        int[] tokens = withoutMiddle(document.tokenIds(), length);
        ofLength.add(new Sample(number++, document.docId(), length, tokens));
      }
      samples.add(List.copyOf(ofLength));
    }
    return new Calibration(lengths, samples);
  }

  private static List<Integer> lengths(int longest) {
    if (longest < SearchOptions.LEAST_LENGTH) {
      throw new UsageException(
          "Cannot calibrate: the longest document has %d tokens, less than a tile of %d; give longer ones"
              .formatted(longest, SearchOptions.LEAST_LENGTH));
    }
    int shorter = longest / SHORTER;
    return shorter < SearchOptions.LEAST_LENGTH ? List.of(longest) : List.of(longest, shorter);
  }

  private static List<TokenizedDocument> documentsOf(
      List<TokenizedDocument> documents, int length, int longest, int most) {
    List<TokenizedDocument> near =
        documents.stream()
            .filter(d -> d.tokenIds().length <= length)
            .filter(d -> d.tokenIds().length >= Math.max(1, Math.ceil(length * (1 - NEAR))))
            .toList();
    List<TokenizedDocument> taken =
        near.isEmpty()
            ? documents.stream().filter(d -> d.tokenIds().length > length).toList()
            : near;
    if (taken.isEmpty()) {
      throw new UsageException(
          "Cannot calibrate at %,d tokens: the longest document has %,d; give longer documents or smaller --lengths"
              .formatted(length, longest));
    }
    return taken.subList(0, Math.min(most, taken.size()));
  }

  /** The first half and the last half of what is kept. */
  static int[] withoutMiddle(int[] tokens, int length) {
    if (tokens.length <= length) {
      return tokens;
    }
    int[] kept = new int[length];
    int first = length / 2;
    System.arraycopy(tokens, 0, kept, 0, first);
    System.arraycopy(tokens, tokens.length - (length - first), kept, first, length - first);
    return kept;
  }

  /** All samples, the longest first. */
  List<Sample> all() {
    return samples.stream().flatMap(List::stream).toList();
  }

  /** Tokens of the longest sample. */
  int longestTokens() {
    return all().stream()
        .map(sample -> sample.tokens().length)
        .max(Comparator.naturalOrder())
        .orElseThrow();
  }
}
