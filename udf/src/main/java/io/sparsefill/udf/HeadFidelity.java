package io.sparsefill.udf;

/**
 * How near a pattern's attention comes to dense attention, for one head of one layer.
 *
 * @param tiles score tiles that the pattern computed
 * @param error |pattern's output - dense output| / |dense output|, Frobenius norms over all queries
 *     (what algorithm 1 of arXiv 2407.02490 takes the least of, relative to the output's size)
 * @param recall share of the dense attention weights that lie on the keys which the pattern
 *     computes, mean over some queries spread over the document
 */
public record HeadFidelity(long tiles, double error, double recall) {}
