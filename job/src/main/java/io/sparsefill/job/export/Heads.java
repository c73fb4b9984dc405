package io.sparsefill.job.export;

import java.util.List;
import java.util.stream.IntStream;

/**
 * The KV heads that one rank of a tensor-parallel engine holds: consecutive ones, the same number
 * on each.
 *
 * @param rank from 0
 * @param ranks number of ranks
 * @param first first head
 * @param count number of heads
 */
record Heads(int rank, int ranks, int first, int count) {
  /** How many ranks the engine has. */
  static final FormatOption OPTION =
      new FormatOption("tensor-parallel", "1", "ranks over which the engine cuts the KV heads");

  /**
   * The heads of every rank.
   *
   * @throws IllegalArgumentException if the heads cannot be dealt out evenly
   */
  static List<Heads> ofRanks(ExportContext context) {
    int ranks = context.number(OPTION.name(), 1);
    int kvHeads = Integer.parseInt(context.identity("kv_heads"));
    if (kvHeads % ranks != 0) {
      throw new IllegalArgumentException(
          "Cannot cut "
              + kvHeads
              + " KV heads over "
              + ranks
              + " ranks: give --set tensor-parallel= a number that divides the heads");
    }
    int count = kvHeads / ranks;
    return IntStream.range(0, ranks)
        .mapToObj(rank -> new Heads(rank, ranks, rank * count, count))
        .toList();
  }
}
