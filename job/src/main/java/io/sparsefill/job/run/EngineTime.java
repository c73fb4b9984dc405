package io.sparsefill.job.run;

import java.io.Serializable;

/**
 * How the time of tasks went.
 *
 * @param prefillSeconds inside pre-fills, without waiting for other tasks' on the same device
 * @param heldBackSeconds in which rows waited for others to be written, most of it inside pre-fills
 * @param taskSeconds of the whole tasks, from before their engines open
 */
record EngineTime(double prefillSeconds, double heldBackSeconds, double taskSeconds)
    implements Serializable {
  static final EngineTime NONE = new EngineTime(0, 0, 0);

  EngineTime plus(EngineTime other) {
    return new EngineTime(
        prefillSeconds + other.prefillSeconds,
        heldBackSeconds + other.heldBackSeconds,
        taskSeconds + other.taskSeconds);
  }
}
