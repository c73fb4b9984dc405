package io.sparsefill.job.export;

import java.util.List;
import java.util.Map;

/**
 * What is exported, and where to.
 *
 * @param output output folder of the run
 * @param to name of the format
 * @param documents names of documents; empty for all
 * @param dest folder that is not there or empty
 * @param expect JSON file of identity fields that the run must have, or null
 * @param modelName the model as the engine knows it, or null
 * @param settings of the format, by name
 */
public record ExportOptions(
    String output,
    String to,
    List<String> documents,
    String dest,
    String expect,
    String modelName,
    Map<String, String> settings) {}
