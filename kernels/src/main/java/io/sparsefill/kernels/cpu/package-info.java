/** The CPU backend: fp32, matrix products by OpenBLAS, tiles of attention over threads. */
package io.sparsefill.kernels.cpu;
