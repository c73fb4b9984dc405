/**
 * The functions that Spark SQL gets: each takes one text and is a Java UDF; where the RAPIDS
 * Accelerator runs, its subclass takes whole columns.
 */
package io.sparsefill.udf.sql;
