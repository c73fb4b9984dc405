/**
 * The search for patterns as a Spark job: calibration samples in, a pattern file and scores out.
 */
package io.sparsefill.job.search;
