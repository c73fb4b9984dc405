/**
 * The search for each head's pattern (arXiv 2407.02490, algorithm 1): candidates of equal cost,
 * counted in the tiles that kernels compute, scored by the error of the attention's output.
 */
package io.sparsefill.udf.search;
