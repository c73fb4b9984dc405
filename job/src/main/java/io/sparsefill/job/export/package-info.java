/**
 * Stored KV caches as the files of serving engines: {@link io.sparsefill.job.export.CacheFormat} is
 * one engine's layout.
 */
package io.sparsefill.job.export;
