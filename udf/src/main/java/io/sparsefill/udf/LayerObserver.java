package io.sparsefill.udf;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import java.util.List;

/** Looks at the layers of a document's dense walk; see {@link Engine#observe}. */
public interface LayerObserver {
  /**
   * The patterns that will be tried on a layer, one list of H for each index, as large as they may
   * become: device memory is set aside for them.
   */
  List<List<HeadPattern>> largest(AttentionShape shape);

  /**
   * Looks at one layer; layers come in order.
   *
   * @param layer serves until this returns
   * @throws Exception ends the walk
   */
  void layer(ObservedLayer layer) throws Exception;
}
