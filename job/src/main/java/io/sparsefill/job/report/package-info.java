/**
 * One HTML page with charts and tables, for evaluations and pattern searches: {@link
 * io.sparsefill.job.report.Page} of parts, each a record of values that says how it looks. The page
 * needs nothing from elsewhere, no script, and fits light and dark screens; every value also stands
 * there as text.
 */
package io.sparsefill.job.report;
