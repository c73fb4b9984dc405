package io.sparsefill.udf.search;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.udf.ObservedLayer;
import java.io.Serializable;

/** The size of a trial's candidate on each head of a layer. */
public interface Sizes extends Serializable {
  /**
   * Sizes [H].
   *
   * @param number which of the trials it is
   */
  int[] of(ObservedLayer layer, Trial trial, int number);

  /**
   * The largest member of a trial's candidate whose index may be built on a layer.
   *
   * @param number which of the trials it is
   */
  HeadPattern largest(AttentionShape shape, Trial trial, int number);
}
