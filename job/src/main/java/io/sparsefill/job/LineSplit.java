package io.sparsefill.job;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;

/**
 * The lines of a file that begin at byte {@code start} or later and before byte {@code end}. A
 * compressed file is one split, and its bytes are counted after decompression.
 *
 * @param end exclusive; {@link Long#MAX_VALUE} in a compressed file
 * @param stored about how many stored bytes are read
 */
record LineSplit(InputFile file, long start, long end, long stored) implements Serializable {
  private static final long MOST_BYTES = 32L << 20;

  /** Smaller splits would cost more in opening files than they bring. */
  private static final long LEAST_BYTES = 1L << 20;

  /**
   * Cuts files into splits which many tasks can share, in source order.
   *
   * @param wanted bytes of a split, where that is a reasonable number
   */
  static List<LineSplit> of(Configuration conf, List<InputFile> files, long wanted) {
    long most = Math.max(LEAST_BYTES, Math.min(MOST_BYTES, wanted));
    List<LineSplit> splits = new ArrayList<>();
    for (InputFile file : files) {
      if (file.isCompressed(conf)) {
        splits.add(new LineSplit(file, 0, Long.MAX_VALUE, file.length()));
        continue;
      }
      for (long start = 0; start < file.length(); start += most) {
        long end = Math.min(file.length(), start + most);
        splits.add(new LineSplit(file, start, end, end - start));
      }
    }
    return splits;
  }
}
