package io.sparsefill.job.report;

import java.time.LocalDate;
import java.util.Locale;

/** How numbers of a kind are written, in charts and tables alike. NaN is a dash. */
public enum Unit {
  /** A whole number: {@code 12,345}. */
  COUNT {
    @Override
    String number(double value) {
      return String.format(Locale.ROOT, "%,.0f", value);
    }
  },
  /** Tokens, by 1,024 where that divides them: {@code 32K}, {@code 1M}, {@code 5,000}. */
  TOKENS {
    @Override
    String number(double value) {
      long tokens = Math.round(value);
      if (tokens >= 1 << 20 && tokens % (1 << 20) == 0) {
        return (tokens >> 20) + "M";
      }
      return tokens >= 1 << 10 && tokens % (1 << 10) == 0
          ? (tokens >> 10) + "K"
          : COUNT.number(value);
    }
  },
  /** A share of 1, in percent: {@code 97.9 %}; without decimals only none and all. */
  SHARE {
    @Override
    String number(double value) {
      return value == 0 || value == 1
          ? (int) (100 * value) + " %"
          : String.format(Locale.ROOT, "%.1f %%", 100 * value);
    }
  },
  /** A day, counted from 1970 in UTC: {@code 2026-11-22}. */
  DAY {
    @Override
    String number(double value) {
      return LocalDate.ofEpochDay((long) Math.floor(value)).toString();
    }
  },
  /** Anything else, to four digits: {@code 46.53}, {@code 0.01250}, {@code 3.200e-07}. */
  NUMBER {
    @Override
    String number(double value) {
      double size = Math.abs(value);
      if (size == 0) {
        return "0";
      }
      if (size < 1e-3 || size >= 1e7) {
        return String.format(Locale.ROOT, "%.3e", value);
      }
      int digits = (int) Math.max(0, 3 - Math.floor(Math.log10(size)));
      return String.format(Locale.ROOT, "%,." + digits + "f", value);
    }
  };

  /** A number as it stands everywhere on the page. */
  public String format(double value) {
    return Double.isNaN(value) ? "–" : Double.isInfinite(value) ? infinite(value) : number(value);
  }

  /** A round number beside an axis: without the zeros that fill digits. */
  String tick(double value) {
    String text = format(value);
    return text.contains(".")
        ? text.replaceFirst("0+(e| |$)", "$1").replaceFirst("\\.(e| |$)", "$1")
        : text;
  }

  abstract String number(double value);

  private static String infinite(double value) {
    return value > 0 ? "∞" : "−∞";
  }
}
