/** Benchmarks of what the job does around the engine. */
package io.sparsefill.job.bench;
