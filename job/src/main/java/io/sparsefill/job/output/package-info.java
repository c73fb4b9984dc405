/**
 * Everything under {@code --output}: the tables and their Parquet files, the lock, the manifest,
 * the commit of waves, the removal of superseded ones ({@link io.sparsefill.job.output.Retention}),
 * and the reading back ({@link io.sparsefill.job.output.Verification}, {@link
 * io.sparsefill.job.output.Inspection}).
 *
 * <pre>
 * OUT/manifest.json                                  identity, runs, waves, files
 * OUT/documents/RUN-w00001.parquet                   one per wave; its appearance is the commit
 * OUT/{kv,tokens,logits}/RUN-w00001-p00003-0000.parquet
 * OUT/_lock                                          who writes now
 * OUT/_staging/RUN-w00001/PARTITION-ATTEMPT/...      files of tasks, not yet published
 * </pre>
 */
package io.sparsefill.job.output;
