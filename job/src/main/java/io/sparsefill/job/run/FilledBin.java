package io.sparsefill.job.run;

import io.sparsefill.job.output.TaskOutput;
import java.io.Serializable;

/**
 * What a pre-fill task gives the driver.
 *
 * @param output its staged files and the rows of its documents
 * @param time how long its engine computed
 */
record FilledBin(TaskOutput output, EngineTime time) implements Serializable {}
