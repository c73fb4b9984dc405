package io.sparsefill.udf;

/**
 * How near a pattern's attention comes to dense attention, for one head of one layer. An error is
 * |pattern's output - dense output| / |dense output|, Frobenius norms over some queries (the
 * difference of which algorithm 1 of arXiv 2407.02490 takes the least, relative to the output's
 * size).
 *
 * @param tiles score tiles that the pattern computed
 * @param error over all queries
 * @param lastError over the last 64 queries, from which an answer begins: a head that retrieves
 *     does so in few rows, whose error is small beside that of all rows
 * @param recall share of the dense attention weights that lie on the keys which the pattern
 *     computes, mean over some queries spread over the document
 * @param share of the squared norm of the layer's dense output, all heads side by side, the head's
 *     part, over all queries; those of a layer sum to 1
 * @param lastShare the same over the last 64 queries
 */
public record HeadFidelity(
    long tiles, double error, double lastError, double recall, double share, double lastShare) {}
