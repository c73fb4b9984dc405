package io.sparsefill.job.eval.task;

/**
 * One thing that a question asks for.
 *
 * @param lead text between the answer before and this one, a comma or a number; given to the model
 *     and not scored
 * @param text the answer as it continues the prompt, its leading space included; scored
 */
public record Answer(String lead, String text) {}
