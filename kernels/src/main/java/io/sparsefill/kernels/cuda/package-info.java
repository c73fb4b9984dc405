/**
 * The operators on an NVIDIA GPU: the driver API through JCuda, kernels carried as PTX (made from
 * {@code src/main/cuda} by {@code build-ptx.sh}). JCuda's types stay in this package.
 */
package io.sparsefill.kernels.cuda;
