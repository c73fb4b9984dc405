/**
 * The numerics, without Spark: operators on one device, attention patterns and their tile index.
 */
package io.sparsefill.kernels;
