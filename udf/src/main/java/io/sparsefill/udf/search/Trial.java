package io.sparsefill.udf.search;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * A candidate sized to a cost: what is tried on every head of a model.
 *
 * @param candidate which ratio of sizes
 * @param density tiles to compute on the longest samples, as a share of the causal ones
 */
public record Trial(Candidate candidate, double density) implements Serializable {
  /** Checks the density. */
  public Trial {
    if (!(density > 0 && density <= 1)) {
      throw new IllegalArgumentException(
          "Cannot search for patterns of density %s: it is the share of the causal tiles that is computed, above 0 and at most 1"
              .formatted(density));
    }
  }

  /** Every candidate at every density; those of one candidate stand together. */
  public static List<Trial> of(List<Candidate> candidates, List<Double> densities) {
    List<Trial> trials = new ArrayList<>();
    for (Candidate candidate : candidates) {
      densities.forEach(density -> trials.add(new Trial(candidate, density)));
    }
    return List.copyOf(trials);
  }
}
