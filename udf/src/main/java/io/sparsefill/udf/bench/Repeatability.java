package io.sparsefill.udf.bench;

import java.util.HashMap;
import java.util.Map;

/**
 * Whether runs over one document give the same cache. Keys and values of the first layer, which no
 * attention has touched, must be the same in every run of every mode; those of later layers are
 * counted where they differ from the first run with the same attention.
 */
final class Repeatability {
  private final Map<CountingSink.Place, Long> firstLayer = new HashMap<>();
  private final Map<String, Map<CountingSink.Place, Long>> later = new HashMap<>();

  /**
   * Compares a run's sampled blocks with those of earlier runs.
   *
   * @return how many blocks of later layers differ
   * @throws IllegalStateException if one of the first layer does
   */
  int changed(PrefillMode.Names mode, Map<CountingSink.Place, Long> checksums) {
    Map<CountingSink.Place, Long> before =
        later.computeIfAbsent(mode.attention(), attention -> new HashMap<>());
    int changed = 0;
    for (Map.Entry<CountingSink.Place, Long> entry : checksums.entrySet()) {
      CountingSink.Place place = entry.getKey();
      boolean first = place.layer() == 0;
      Long known = (first ? firstLayer : before).putIfAbsent(place, entry.getValue());
      boolean differs = known != null && !known.equals(entry.getValue());
      if (differs && first) {
        throw new IllegalStateException(
            "%s: block %d of the first layer has other bytes than in an earlier run"
                .formatted(mode, place.block()));
      }
      changed += differs ? 1 : 0;
    }
    return changed;
  }
}
