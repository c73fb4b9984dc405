package io.sparsefill.job.output;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.List;
import java.util.Locale;

/**
 * What it costs to keep the keys and values of a folder, and what to compute them again: storing
 * them pays when they are read more often in a month than {@link #breakEven} says. What reading
 * costs is not in it.
 *
 * @param bytes of the kv table's files
 * @param tokens of the documents in them, at least 1
 * @param bf16PerToken bytes of a token's keys and values in bf16, uncompressed
 * @param prefillSeconds measured, over all documents; one device computes in them
 * @param prices of both
 */
public record KvCost(
    long bytes, long tokens, long bf16PerToken, double prefillSeconds, Prices prices) {
  private static final double GB = 1e9;
  private static final double HOUR = 3600;

  /**
   * Prices in dollars.
   *
   * @param gpuHour of the device, for an hour
   * @param gbMonth of storage, for 10^9 bytes and a month
   */
  public record Prices(double gpuHour, double gbMonth) {
    /** An hour of a rented data centre GPU, and a month of an object store's standard class. */
    public static final Prices USUAL = new Prices(3, 0.023);

    /** Checks that both are above zero. */
    public Prices {
      if (!(gpuHour > 0 && gpuHour < 1e9 && gbMonth > 0 && gbMonth < 1e9)) {
        throw new IllegalArgumentException(
            "Cannot take $%s an hour and $%s a GB and month for prices: both must be above 0"
                .formatted(gpuHour, gbMonth));
      }
    }
  }

  /** Bytes in files for each token. */
  public double bytesPerToken() {
    return (double) bytes / tokens;
  }

  /** Share of what bf16 takes without compression. */
  public double ofBf16() {
    return bytesPerToken() / bf16PerToken;
  }

  /** Dollars for keeping all files a month. */
  public double keepingAMonth() {
    return bytes / GB * prices.gbMonth;
  }

  /** Dollars for computing everything again, once. */
  public double computingAgain() {
    return prefillSeconds / HOUR * prices.gpuHour;
  }

  /** How often everything must be read in a month for keeping it to cost less; NaN if unknown. */
  public double breakEven() {
    return prefillSeconds > 0 ? keepingAMonth() / computingAgain() : Double.NaN;
  }

  /** The same as lines of text. */
  public List<String> lines() {
    String size =
        String.format(
            Locale.ROOT,
            "kv cache     %,.1f bytes/token in files, %.3f of bf16's %,d",
            bytesPerToken(),
            ofBf16(),
            bf16PerToken);
    String money =
        prefillSeconds > 0
            ? String.format(
                Locale.ROOT,
                "break-even   keeping it costs $%s a month ($%s/GB), computing it again $%s (%.1f s at"
                    + " $%s/h): keeping pays from %s reuses a month on",
                dollars(keepingAMonth()),
                dollars(prices.gbMonth),
                dollars(computingAgain()),
                prefillSeconds,
                dollars(prices.gpuHour),
                dollars(breakEven()))
            : "break-even   unknown: no pre-fill was timed";
    return List.of(size, money);
  }

  /** Three digits, or whole dollars. */
  private static String dollars(double value) {
    return value >= 100
        ? String.format(Locale.ROOT, "%,.0f", value)
        : new BigDecimal(value).round(new MathContext(3)).stripTrailingZeros().toPlainString();
  }
}
