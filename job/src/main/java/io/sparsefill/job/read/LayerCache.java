package io.sparsefill.job.read;

import io.sparsefill.kernels.KvDtype;

/**
 * Keys and values of one whole layer of a document: little-endian, C-contiguous {@code
 * [token][kv_head][head_dim]}, keys after RoPE. {@link io.sparsefill.udf.KvNumbers} reads them.
 *
 * @param layer 0-based layer
 * @param tokens T
 * @param dtype element type
 * @param key T * G * D elements
 * @param value T * G * D elements
 * @param keyScale what the key's elements are multiples of, little-endian fp32 {@code
 *     [token][kv_head]}; null unless the type is {@link KvDtype#scaled}
 * @param valueScale the same of the values
 */
@SuppressWarnings("ArrayRecordComponent") // owns its bytes; it is never compared
public record LayerCache(
    int layer,
    int tokens,
    KvDtype dtype,
    byte[] key,
    byte[] value,
    byte[] keyScale,
    byte[] valueScale) {}
