/**
 * Accuracy, perplexity and cost of attention modes, measured as a Spark job over samples that
 * {@link io.sparsefill.job.eval.task} makes; {@link io.sparsefill.job.eval.Eval} is the way in.
 */
package io.sparsefill.job.eval;
