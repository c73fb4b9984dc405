package io.sparsefill.udf.search;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.udf.ObservedLayer;
import java.io.Serializable;

/** The size of a candidate on each head of a layer. */
public interface Sizes extends Serializable {
  /**
   * Sizes [H].
   *
   * @param number which of the candidates it is
   */
  int[] of(ObservedLayer layer, Candidate candidate, int number);

  /**
   * The largest member of a candidate whose index may be built on a layer.
   *
   * @param number which of the candidates it is
   */
  HeadPattern largest(AttentionShape shape, Candidate candidate, int number);
}
