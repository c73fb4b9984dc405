/**
 * Benchmarks of the kernels on a GPU host with a JRE. Each checks its results against an
 * independent computation before it times anything, prints Markdown and writes JSON.
 */
package io.sparsefill.kernels.bench;
