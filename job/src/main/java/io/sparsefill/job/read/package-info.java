/**
 * Reads stored KV caches back without Spark: {@link io.sparsefill.job.read.KvReader} opens the
 * output folder of a run, {@link io.sparsefill.job.read.StoredCache} is one document in it.
 */
package io.sparsefill.job.read;
