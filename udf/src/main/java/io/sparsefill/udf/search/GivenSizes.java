package io.sparsefill.udf.search;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.udf.ObservedLayer;
import java.util.Arrays;

/**
 * Sizes that were found before, on longer documents.
 *
 * @param sizes [L][trial][H]
 */
@SuppressWarnings("ArrayRecordComponent") // carried from the driver to tasks, never compared
public record GivenSizes(int[][][] sizes) implements Sizes {
  @Override
  public int[] of(ObservedLayer layer, Trial trial, int number) {
    return sizes[layer.number()][number];
  }

  @Override
  public HeadPattern largest(AttentionShape shape, Trial trial, int number) {
    return trial
        .candidate()
        .at(
            Arrays.stream(sizes)
                .flatMapToInt(layer -> Arrays.stream(layer[number]))
                .max()
                .orElseThrow());
  }
}
