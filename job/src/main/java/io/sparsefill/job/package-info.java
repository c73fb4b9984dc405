/**
 * The Spark application: read, plan, partition, run, write, resume, verify; and its command line.
 */
package io.sparsefill.job;
