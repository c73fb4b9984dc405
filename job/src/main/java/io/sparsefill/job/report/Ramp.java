package io.sparsefill.job.report;

/**
 * Colours from low to high: dark blue over grey to yellow, as cividis, whose lightness grows evenly
 * for every kind of colour vision.
 */
final class Ramp {
  private static final int[] STOPS = {0x00204d, 0x414d6b, 0x7c7b78, 0xbcaf6f, 0xffea46};

  private Ramp() {}

  /** Colour of a share of the way, {@code #rrggbb}; beyond the ends that of the end. */
  static String colour(double share) {
    double place = Math.max(0, Math.min(1, share)) * (STOPS.length - 1);
    int from = Math.min((int) place, STOPS.length - 2);
    int mixed = 0;
    for (int shift = 16; shift >= 0; shift -= 8) {
      int a = STOPS[from] >> shift & 0xff;
      int b = STOPS[from + 1] >> shift & 0xff;
      mixed = mixed << 8 | (int) Math.round(a + (b - a) * (place - from));
    }
    return "#%06x".formatted(mixed);
  }

  /** The style sheet's class of a text that can be read on a colour of the ramp. */
  static String textClass(double share) {
    return share < 0.5 ? "on-dark" : "on-light";
  }
}
