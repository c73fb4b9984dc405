/** The runs over an output folder, over time: as a text, as JSON, as a page. */
package io.sparsefill.job.history;
