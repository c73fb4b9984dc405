/**
 * Text to token ids: a model's own {@code tokenizer.json} on the Hugging Face tokenizers library,
 * offline, and the decision about special tokens at the start of a document.
 */
package io.sparsefill.udf.text;
