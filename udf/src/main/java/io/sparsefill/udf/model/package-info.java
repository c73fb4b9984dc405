/**
 * A model as it lies on disk: Hugging Face's {@code config.json} and safetensors files, read
 * strictly into one {@link io.sparsefill.udf.model.ModelConfig} and memory-mapped matrices. A
 * family of models adds names and flags here, never another forward pass.
 */
package io.sparsefill.udf.model;
