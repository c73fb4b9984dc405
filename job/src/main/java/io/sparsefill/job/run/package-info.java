/**
 * One run from options to summary: what is to do, the waves of Spark jobs that do it, their
 * progress and their end. {@link io.sparsefill.job.run.Run} is the walk; {@link
 * io.sparsefill.job.run.PrefillPartition} is its inner loop.
 */
package io.sparsefill.job.run;
