/** The command line: one class per subcommand, thin over what it calls. */
package io.sparsefill.job.command;
