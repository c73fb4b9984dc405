package io.sparsefill.udf.model;

import io.sparsefill.kernels.HostMatrix;

/**
 * Weights of one decoder layer, as views on the memory-mapped checkpoint. A projection multiplies
 * from the left: y = W x, W [out, in]. Vectors are matrices of one row.
 *
 * @param inputNorm RMSNorm before the attention [1, hidden]
 * @param qkv query, key and value projection with rows in that order [(H + 2G) * D, hidden]
 * @param qkvBias its bias [1, (H + 2G) * D], or null
 * @param qNorm RMSNorm of each query head [1, D], or null
 * @param kNorm RMSNorm of each key head [1, D], or null
 * @param output projection after the attention [hidden, H * D]
 * @param postNorm RMSNorm before the MLP [1, hidden]
 * @param gateUp gate projection, below it the up projection [2 * ffn, hidden]
 * @param down projection back [hidden, ffn]
 */
public record LayerWeights(
    HostMatrix inputNorm,
    HostMatrix qkv,
    HostMatrix qkvBias,
    HostMatrix qNorm,
    HostMatrix kNorm,
    HostMatrix output,
    HostMatrix postNorm,
    HostMatrix gateUp,
    HostMatrix down) {}
