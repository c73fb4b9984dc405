package io.sparsefill.udf.model;

import java.util.List;

/**
 * How a model's rotary frequencies are stretched to longer contexts: the rope types of
 * transformers' {@code modeling_rope_utils} (version 5.17), whose formulas and fp32 rounding are
 * kept, because angles at position 100,000 feel the last bit of a frequency.
 */
public sealed interface RopeScaling {
  /** The name in config.json's {@code rope_type}. */
  String type();

  /**
   * Angular frequency (radians per token) of every rotated pair.
   *
   * @param theta base
   * @param rotaryDim rotated dimensions of a head, even
   * @param tokens T of this pre-fill, which decides for some types
   */
  double[] inverseFrequency(double theta, int rotaryDim, int tokens);

  /** Factor on cosine and sine for a pre-fill of that many tokens. */
  default double attentionScaling(int tokens) {
    return 1;
  }

  /**
   * Whether transformers computes the frequencies anew in the forward pass of that many tokens,
   * instead of reading the buffer that it made when the model was built.
   */
  default boolean isRecomputed(int tokens) {
    return false;
  }

  /** {@code default}: theta^(-2i/dim). */
  record Unscaled() implements RopeScaling {
    @Override
    public String type() {
      return "default";
    }

    @Override
    public double[] inverseFrequency(double theta, int rotaryDim, int tokens) {
      float[] powers = powers(theta, rotaryDim);
      double[] inverse = new double[powers.length];
      for (int i = 0; i < powers.length; i++) {
        inverse[i] = 1 / powers[i];
      }
      return inverse;
    }
  }

  /**
   * {@code linear}: every frequency divided by the factor.
   *
   * @param factor how much longer the context becomes
   */
  record Linear(double factor) implements RopeScaling {
    @Override
    public String type() {
      return "linear";
    }

    @Override
    public double[] inverseFrequency(double theta, int rotaryDim, int tokens) {
      float[] powers = powers(theta, rotaryDim);
      double[] inverse = new double[powers.length];
      for (int i = 0; i < powers.length; i++) {
        inverse[i] = 1 / powers[i] / (float) factor;
      }
      return inverse;
    }
  }

  /**
   * {@code dynamic} (NTK-aware): a base that grows with the document once it is longer than the
   * model's maximum. All positions of one pre-fill use the base of its full length.
   *
   * @param factor how much longer the context becomes
   * @param maxPositions length up to which nothing changes
   */
  record Dynamic(double factor, int maxPositions) implements RopeScaling {
    @Override
    public String type() {
      return "dynamic";
    }

    @Override
    public boolean isRecomputed(int tokens) {
      return tokens > maxPositions;
    }

    @Override
    public double[] inverseFrequency(double theta, int rotaryDim, int tokens) {
      double length = Math.max(tokens, maxPositions);
      double growth = factor * length / maxPositions - (factor - 1);
      double base = theta * Math.pow(growth, (double) rotaryDim / (rotaryDim - 2));
      return new Unscaled().inverseFrequency(base, rotaryDim, tokens);
    }
  }

  /**
   * {@code llama3} (Llama 3.1): long wavelengths divided by the factor, short ones kept, a ramp
   * between.
   *
   * @param factor how much longer the context becomes
   * @param lowFrequencyFactor wavelengths above original / this are divided by the factor
   * @param highFrequencyFactor wavelengths below original / this are kept
   * @param originalPositions context length of the first training
   */
  record Llama3(
      double factor, double lowFrequencyFactor, double highFrequencyFactor, int originalPositions)
      implements RopeScaling {
    @Override
    public String type() {
      return "llama3";
    }

    @Override
    public double[] inverseFrequency(double theta, int rotaryDim, int tokens) {
      float longest = (float) (originalPositions / lowFrequencyFactor);
      float shortest = (float) (originalPositions / highFrequencyFactor);
      float[] powers = powers(theta, rotaryDim);
      double[] inverse = new double[powers.length];
      for (int i = 0; i < powers.length; i++) {
        float plain = 1 / powers[i];
        float stretched = plain / (float) factor;
        float wavelength = (float) (2 * Math.PI) / plain;
        float smooth =
            (originalPositions / wavelength - (float) lowFrequencyFactor)
                / (float) (highFrequencyFactor - lowFrequencyFactor);
        if (wavelength > longest) {
          inverse[i] = stretched;
        } else if (wavelength < shortest) {
          inverse[i] = plain;
        } else {
          inverse[i] = (1 - smooth) * stretched + smooth * plain;
        }
      }
      return inverse;
    }
  }

  /**
   * {@code yarn} (arXiv 2309.00071): fast pairs kept, slow ones divided by the factor, a linear
   * ramp over the pairs between. Static: it holds for documents of every length.
   *
   * @param factor how much longer the context becomes
   * @param originalPositions context length of the first training
   * @param betaFast pairs that turn more often than this in the original context are kept
   * @param betaSlow pairs that turn less often than this are divided by the factor
   * @param truncate whether the ramp's ends are rounded outwards to whole pairs
   * @param scaling factor on cosine and sine
   */
  record Yarn(
      double factor,
      int originalPositions,
      double betaFast,
      double betaSlow,
      boolean truncate,
      double scaling)
      implements RopeScaling {
    @Override
    public String type() {
      return "yarn";
    }

    /** First and last pair of the ramp; fractions when not truncated. */
    double[] ramp(double theta, int rotaryDim) {
      double low = pairThatTurns(betaFast, theta, rotaryDim);
      double high = pairThatTurns(betaSlow, theta, rotaryDim);
      if (truncate) {
        low = Math.floor(low);
        high = Math.ceil(high);
      }
      return new double[] {Math.max(low, 0), Math.min(high, rotaryDim - 1)};
    }

    private double pairThatTurns(double times, double theta, int rotaryDim) {
      return rotaryDim
          * Math.log(originalPositions / (times * 2 * Math.PI))
          / (2 * Math.log(theta));
    }

    @Override
    public double[] inverseFrequency(double theta, int rotaryDim, int tokens) {
      double[] ramp = ramp(theta, rotaryDim);
      float low = (float) ramp[0];
      // transformers widens an empty ramp by the same amount
      float width = (float) (ramp[0] == ramp[1] ? 0.001 : ramp[1] - ramp[0]);
      float[] powers = powers(theta, rotaryDim);
      double[] inverse = new double[powers.length];
      for (int i = 0; i < powers.length; i++) {
        float stretchedShare = Math.min(1, Math.max(0, (i - low) / width));
        float stretched = 1 / ((float) factor * powers[i]);
        float plain = 1 / powers[i];
        inverse[i] = stretched * stretchedShare + plain * (1 - stretchedShare);
      }
      return inverse;
    }

    @Override
    public double attentionScaling(int tokens) {
      return scaling;
    }
  }

  /**
   * {@code longrope} (arXiv 2402.13753; {@code su} in older files): every frequency divided by a
   * factor of its own, from one list up to the original context length and from another beyond it;
   * the list that the full length asks for holds for all positions.
   *
   * @param shortFactors one factor for each pair, for documents up to {@code originalPositions}
   * @param longFactors one factor for each pair, for longer documents
   * @param originalPositions context length of the first training
   * @param shortScaling factor on cosine and sine for documents up to {@code originalPositions}
   * @param longScaling the same for longer documents
   */
  record LongRope(
      List<Double> shortFactors,
      List<Double> longFactors,
      int originalPositions,
      double shortScaling,
      double longScaling)
      implements RopeScaling {
    @Override
    public String type() {
      return "longrope";
    }

    @Override
    public boolean isRecomputed(int tokens) {
      return tokens > originalPositions;
    }

    @Override
    public double[] inverseFrequency(double theta, int rotaryDim, int tokens) {
      List<Double> factors = tokens > originalPositions ? longFactors : shortFactors;
      float[] powers = powers(theta, rotaryDim);
      double[] inverse = new double[powers.length];
      for (int i = 0; i < powers.length; i++) {
        inverse[i] = 1 / (factors.get(i).floatValue() * powers[i]);
      }
      return inverse;
    }

    @Override
    public double attentionScaling(int tokens) {
      return tokens > originalPositions ? longScaling : shortScaling;
    }
  }

  /** theta^(2i/dim) for every pair i, rounded to fp32 as PyTorch does. */
  private static float[] powers(double theta, int rotaryDim) {
    float[] powers = new float[rotaryDim / 2];
    for (int i = 0; i < powers.length; i++) {
      powers[i] = (float) Math.pow((float) theta, 2f * i / rotaryDim);
    }
    return powers;
  }
}
