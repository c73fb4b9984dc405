package io.sparsefill.job.export;

/**
 * A setting of an engine that its files depend on; given as {@code --set NAME=VALUE}.
 *
 * @param name lower case with hyphens, such as {@code block-size}
 * @param standard its value when it is not given; never null
 * @param help what it is, one line
 */
record FormatOption(String name, String standard, String help) {}
