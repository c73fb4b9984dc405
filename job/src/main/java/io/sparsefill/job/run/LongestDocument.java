package io.sparsefill.job.run;

import io.sparsefill.kernels.MemoryPlan;

/**
 * The longest document of a plan and the device memory that one task takes for it.
 *
 * @param tokens its length
 * @param memory what it takes, weights included, and with the longest question where one is asked
 * @param deviceBytes what the device has; 0 when tasks run elsewhere
 */
public record LongestDocument(int tokens, MemoryPlan memory, long deviceBytes) {
  /** Whether the device is known to have too little. */
  public boolean isTooLong() {
    return deviceBytes > 0 && memory.total() > deviceBytes;
  }
}
