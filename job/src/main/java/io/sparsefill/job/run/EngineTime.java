package io.sparsefill.job.run;

import java.io.Serializable;

/**
 * How long engines computed.
 *
 * @param prefillSeconds inside pre-fills
 * @param taskSeconds of the whole task, from before its engine opens
 */
record EngineTime(double prefillSeconds, double taskSeconds) implements Serializable {
  static final EngineTime NONE = new EngineTime(0, 0);

  EngineTime plus(EngineTime other) {
    return new EngineTime(prefillSeconds + other.prefillSeconds, taskSeconds + other.taskSeconds);
  }
}
