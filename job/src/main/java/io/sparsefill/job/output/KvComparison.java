package io.sparsefill.job.output;

import io.sparsefill.udf.KvBlock;
import io.sparsefill.udf.KvNumbers;
import io.sparsefill.udf.KvSink;
import java.io.IOException;
import java.util.Arrays;

/**
 * Takes the blocks of a pre-fill that is run again and compares each with the stored one. The
 * measure is the relative difference in the Frobenius norm over a layer, {@code |again - stored| /
 * |stored|}, for keys and values apart.
 */
final class KvComparison implements KvSink {
  private final StoredDocument stored;
  private final double[] difference; // [2 * layer + (0 key, 1 value)], squared
  private final double[] size;
  private long blocks;
  private long identical;

  KvComparison(StoredDocument stored, int layers) {
    this.stored = stored;
    this.difference = new double[2 * layers];
    this.size = new double[2 * layers];
  }

  @Override
  public void accept(KvBlock again) throws IOException {
    KvBlock there = stored.next();
    if (there == null
        || there.layer() != again.layer()
        || there.block() != again.block()
        || there.dtype() != again.dtype()
        || there.key().length != again.key().length
        || there.value().length != again.value().length) {
      throw new IOException("The pre-fill gives " + name(again) + ", stored is " + name(there));
    }
    blocks++;
    if (Arrays.equals(there.key(), again.key())
        && Arrays.equals(there.value(), again.value())
        && Arrays.equals(there.keyScale(), again.keyScale())
        && Arrays.equals(there.valueScale(), again.valueScale())) {
      identical++;
    }
    add(2 * again.layer(), KvNumbers.keys(there), KvNumbers.keys(again));
    add(2 * again.layer() + 1, KvNumbers.values(there), KvNumbers.values(again));
  }

  /** Checks that no stored block is left over. */
  void end() throws IOException {
    KvBlock left = stored.next();
    if (left != null) {
      throw new IOException("The pre-fill gives no more blocks, stored is " + name(left));
    }
  }

  long blocks() {
    return blocks;
  }

  long identical() {
    return identical;
  }

  /** The largest relative difference over layers, keys and values; NaN counts as infinite. */
  double worst() {
    double worst = 0;
    for (int i = 0; i < difference.length; i++) {
      double relative = difference[i] == 0 ? 0 : Math.sqrt(difference[i] / size[i]);
      worst = Math.max(worst, Double.isNaN(relative) ? Double.POSITIVE_INFINITY : relative);
    }
    return worst;
  }

  private void add(int slot, KvNumbers there, KvNumbers again) {
    double sum = 0;
    double norm = 0;
    for (int i = 0; i < there.count(); i++) {
      double a = there.at(i);
      double b = again.at(i);
      sum += (a - b) * (a - b);
      norm += a * a;
    }
    difference[slot] += sum;
    size[slot] += norm;
  }

  private static String name(KvBlock block) {
    return block == null
        ? "nothing"
        : String.format(
            "layer %d, block %d (%s, %d + %d bytes)",
            block.layer(),
            block.block(),
            block.dtype().label(),
            block.key().length,
            block.value().length);
  }
}
