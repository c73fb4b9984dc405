/** What {@link io.sparsefill.job.SparsefillPlugin} does on the driver and on executors. */
package io.sparsefill.job.executor;
