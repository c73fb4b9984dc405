package io.sparsefill.job.output;

import java.io.Serializable;

/**
 * What a task needs to write its files; made by {@link OutputFolder#writerOptions} and sent to the
 * executors.
 *
 * @param output the output folder, with its file system
 * @param runId name of the run
 * @param wave number of the wave, from 1
 * @param identityJson canonical JSON of the run's identity, stored in every file
 * @param kvCompression of the kv table
 */
public record WriterOptions(
    String output, String runId, int wave, String identityJson, KvCompression kvCompression)
    implements Serializable {}
