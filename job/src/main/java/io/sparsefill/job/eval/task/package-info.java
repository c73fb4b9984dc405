/**
 * Evaluation tasks made from seeds: needles in a haystack, RULER, InfiniteBench's synthetic tasks,
 * and texts for perplexity. {@link io.sparsefill.job.eval.task.Samples} makes them, {@link
 * io.sparsefill.job.eval.task.Prompt} is one as a model reads it. Neither Spark nor an engine is
 * needed.
 */
package io.sparsefill.job.eval.task;
