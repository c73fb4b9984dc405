/**
 * One document through one model on one device: tokenizer, checkpoint, layer loop, KV blocks,
 * logits.
 */
package io.sparsefill.udf;
