package io.sparsefill.udf.model;

import java.util.List;
import java.util.Set;

/**
 * Reads the rotary embedding out of config.json, in the form of either transformers generation:
 * {@code rope_theta} and {@code rope_scaling} of version 4, or {@code rope_parameters} of version
 * 5, there also as one object for each type of layer as long as all are equal.
 */
final class RopeReader {
  private static final String ACCEPTED = "default, linear, dynamic, llama3, yarn, longrope, su";
  private static final double DEFAULT_THETA = 10_000;

  /** Keys that every type may carry. */
  private static final Set<String> COMMON =
      Set.of(
          "rope_type",
          "type",
          "rope_theta",
          "partial_rotary_factor",
          "original_max_position_embeddings",
          "finetuned");

  private final ConfigJson config;
  private final ModelFamily family;
  private final int headDim;
  private final int maxPositions;

  RopeReader(ConfigJson config, ModelFamily family, int headDim, int maxPositions) {
    this.config = config;
    this.family = family;
    this.headDim = headDim;
    this.maxPositions = maxPositions;
  }

  /**
   * Reads it.
   *
   * @throws IllegalArgumentException for an unknown type, a key the type does not know, or a number
   *     that does not fit
   */
  RopeConfig read() {
    ConfigJson rope = parameters();
    if (family == ModelFamily.CHATGLM) {
      return chatGlm(rope);
    }
    double theta = DEFAULT_THETA;
    if (config.has("rope_theta")) {
      theta = config.positive("rope_theta");
    }
    if (rope != null) {
      theta = rope.positive("rope_theta", theta);
    }
    int rotaryDim = (int) (headDim * partialFactor(rope));
    if (rotaryDim < 2 || rotaryDim % 2 != 0) {
      throw config.error(
          "a partial_rotary_factor of %s rotates %d of a head's %d dimensions, which must be an even number of them"
              .formatted(partialFactor(rope), rotaryDim, headDim));
    }
    RopeScaling scaling = rope == null ? new RopeScaling.Unscaled() : scaling(rope, rotaryDim);
    return new RopeConfig(theta, headDim, rotaryDim, family.glmRope(), scaling);
  }

  /** The object that holds type and parameters, or null when there is none. */
  private ConfigJson parameters() {
    if (!config.has("rope_parameters")) {
      return config.has("rope_scaling") ? config.object("rope_scaling") : null;
    }
    ConfigJson rope = config.object("rope_parameters");
    if (config.has("rope_scaling") && !rope.sameAs(config.object("rope_scaling"))) {
      throw config.error("rope_parameters and rope_scaling differ; keep one of them");
    }
    List<String> keys = rope.keys();
    boolean perLayerType = !keys.isEmpty();
    for (String key : keys) {
      perLayerType &= rope.node(key).isObject();
    }
    if (!perLayerType) {
      return rope;
    }
    ConfigJson first = rope.object(keys.get(0));
    for (String key : keys) {
      if (!first.sameAs(rope.object(key))) {
        throw rope.error(
            "'%s' and '%s' differ; accepted: one rotary embedding for all layers"
                .formatted(keys.get(0), key));
      }
    }
    return first;
  }

  /**
   * ChatGLM's original code: base 10000 * rope_ratio, neighbours paired in the first half of each
   * head.
   */
  private RopeConfig chatGlm(ConfigJson rope) {
    if (rope != null) {
      throw config.error("chatglm knows rope_ratio, but neither rope_scaling nor rope_parameters");
    }
    if (!config.flag("original_rope", true)) {
      throw config.wrong("original_rope", "true");
    }
    double theta = DEFAULT_THETA * config.positive("rope_ratio", 1);
    return new RopeConfig(theta, headDim, headDim / 2, true, new RopeScaling.Unscaled());
  }

  private double partialFactor(ConfigJson rope) {
    double absent = family.glmRope() ? 0.5 : 1;
    double factor = config.positive("partial_rotary_factor", absent);
    if (rope != null) {
      factor = rope.positive("partial_rotary_factor", factor);
    }
    boolean known = family == ModelFamily.GLM || family == ModelFamily.PHI3;
    if (factor > 1 || (factor != 1 && !known)) {
      throw config.error(
          "partial_rotary_factor is %s; accepted: %s"
              .formatted(factor, known ? "more than 0, at most 1" : "1 for " + family.modelType()));
    }
    return factor;
  }

  private RopeScaling scaling(ConfigJson rope, int rotaryDim) {
    String type = rope.text("rope_type", rope.text("type", "default"));
    if (family == ModelFamily.PHI3 && type.equals("yarn")) {
      // The first Phi-3 files call it so; transformers reads them as longrope too
      type = "longrope";
    }
    switch (type) {
      case "default":
        allow(rope, type);
        return new RopeScaling.Unscaled();
      case "linear":
        allow(rope, type, "factor");
        return new RopeScaling.Linear(rope.positive("factor"));
      case "dynamic":
        allow(rope, type, "factor");
        if (rotaryDim < 4) {
          throw rope.error("dynamic needs at least 4 rotated dimensions, there are " + rotaryDim);
        }
        return new RopeScaling.Dynamic(rope.positive("factor"), maxPositions);
      case "llama3":
        allow(rope, type, "factor", "low_freq_factor", "high_freq_factor");
        return llama3(rope);
      case "yarn":
        return yarn(rope);
      case "longrope":
      case "su":
        return longRope(rope, type, rotaryDim);
      default:
        throw rope.error("rope type '" + type + "' is not known; accepted: " + ACCEPTED);
    }
  }

  private RopeScaling.Llama3 llama3(ConfigJson rope) {
    double low = rope.positive("low_freq_factor");
    double high = rope.positive("high_freq_factor");
    if (high <= low) {
      throw rope.wrong("high_freq_factor", "more than low_freq_factor, " + low);
    }
    return new RopeScaling.Llama3(rope.positive("factor"), low, high, originalPositions(rope));
  }

  private RopeScaling.Yarn yarn(ConfigJson rope) {
    allow(
        rope,
        "yarn",
        "factor",
        "attention_factor",
        "beta_fast",
        "beta_slow",
        "mscale",
        "mscale_all_dim",
        "truncate");
    int original = originalPositions(rope);
    double factor = rope.positive("factor", (double) maxPositions / original);
    double scaling;
    if (rope.has("attention_factor")) {
      scaling = rope.positive("attention_factor");
    } else if (rope.number("mscale", 0) != 0 && rope.number("mscale_all_dim", 0) != 0) {
      scaling =
          yarnScaling(factor, rope.number("mscale"))
              / yarnScaling(factor, rope.number("mscale_all_dim"));
    } else {
      scaling = yarnScaling(factor, 1);
    }
    return new RopeScaling.Yarn(
        factor,
        original,
        rope.positive("beta_fast", 32),
        rope.positive("beta_slow", 1),
        rope.flag("truncate", true),
        scaling);
  }

  /** Equation 22 of the YaRN paper, with DeepSeek's weight on the logarithm. */
  private static double yarnScaling(double factor, double weight) {
    return factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1;
  }

  private RopeScaling.LongRope longRope(ConfigJson rope, String type, int rotaryDim) {
    allow(
        rope,
        type,
        "factor",
        "attention_factor",
        "short_factor",
        "long_factor",
        "short_mscale",
        "long_mscale");
    int original = originalPositions(rope);
    double factor = rope.positive("factor", (double) maxPositions / original);
    double scaling = 1;
    if (rope.has("attention_factor")) {
      scaling = rope.positive("attention_factor");
    } else if (factor > 1) {
      scaling = Math.sqrt(1 + Math.log(factor) / Math.log(original));
    }
    boolean given = rope.has("attention_factor");
    return new RopeScaling.LongRope(
        pairFactors(rope, "short_factor", rotaryDim),
        pairFactors(rope, "long_factor", rotaryDim),
        original,
        given ? scaling : rope.positive("short_mscale", scaling),
        given ? scaling : rope.positive("long_mscale", scaling));
  }

  private static List<Double> pairFactors(ConfigJson rope, String key, int rotaryDim) {
    List<Double> factors = rope.positives(key);
    if (factors.size() != rotaryDim / 2) {
      throw rope.error(
          "'%s' has %d factors, but %d pairs of dimensions are rotated"
              .formatted(key, factors.size(), rotaryDim / 2));
    }
    return factors;
  }

  /** As in transformers: the config's own value goes before that of the rope object. */
  private int originalPositions(ConfigJson rope) {
    String key = "original_max_position_embeddings";
    return config.size(key, rope.size(key, maxPositions));
  }

  /**
   * transformers warns about keys that a type does not use; here they are errors, because they
   * change nothing.
   */
  private static void allow(ConfigJson rope, String type, String... keys) {
    Set<String> known = Set.of(keys);
    for (String key : rope.keys()) {
      if (!COMMON.contains(key) && !known.contains(key) && rope.has(key)) {
        throw rope.error(
            "'%s' is not known for rope type '%s', which takes %s"
                .formatted(key, type, known.isEmpty() ? "no parameters" : String.join(", ", keys)));
      }
    }
  }
}
