package io.sparsefill.job.output;

import java.io.Serializable;

/**
 * One Parquet file of a table.
 *
 * @param table whose rows it holds
 * @param path relative to the output folder
 * @param rows number of rows
 * @param bytes length of the file
 */
public record StoredFile(Table table, String path, long rows, long bytes) implements Serializable {}
