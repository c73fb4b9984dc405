/**
 * Benchmarks of whole pre-fills, which the README's numbers come from, and the maker of models for
 * them.
 */
package io.sparsefill.udf.bench;
