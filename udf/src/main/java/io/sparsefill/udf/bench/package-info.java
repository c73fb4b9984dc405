/** The benchmark of a whole pre-fill that the README's numbers come from. */
package io.sparsefill.udf.bench;
