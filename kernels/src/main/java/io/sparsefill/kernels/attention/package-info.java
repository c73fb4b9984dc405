/**
 * Which scores attention computes: patterns per head, MInference's pattern files, and the builders
 * of the {@link io.sparsefill.kernels.attention.TileIndex} that one attention operator consumes.
 */
package io.sparsefill.kernels.attention;
