/**
 * What notebooks call: a command in the session that is there, and what sparse attention computes
 * of one document. Everything takes and gives strings, lists, maps and tables, so that it is the
 * same from Java, from Scala and, through PySpark's gateway, from Python.
 */
package io.sparsefill.job.notebook;
