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
 * @param lanes kv files of a task that may be written at a time, each by a thread; at least 1
 */
public record WriterOptions(
    String output,
    String runId,
    int wave,
    String identityJson,
    KvCompression kvCompression,
    int lanes)
    implements Serializable {
  /** Checks the number of lanes. */
  public WriterOptions {
    if (lanes < 1) {
      throw new IllegalArgumentException("Cannot write kv rows in " + lanes + " lanes: at least 1");
    }
  }
}
