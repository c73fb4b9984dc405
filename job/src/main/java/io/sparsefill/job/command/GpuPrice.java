package io.sparsefill.job.command;

import io.sparsefill.job.run.UsageException;
import picocli.CommandLine.Option;

/** What an engine costs for an hour; an option of every command that speaks of money. */
final class GpuPrice {
  @Option(
      names = "--gpu-price",
      paramLabel = "PRICE",
      defaultValue = "3",
      description =
          "price of a GPU with its share of the machine for an hour, in any currency (default 3)")
  private double perHour;

  /**
   * The price.
   *
   * @throws UsageException if it is no price
   */
  double perHour() {
    if (!(perHour >= 0 && Double.isFinite(perHour))) {
      throw new UsageException(
          "Cannot use --gpu-price " + perHour + ": accepted is a number of at least 0");
    }
    return perHour;
  }
}
