package io.sparsefill.udf.sql;

import java.util.Arrays;
import java.util.Locale;
import java.util.function.Function;
import java.util.function.UnaryOperator;

/**
 * Reads values of {@code spark.sparsefill.*}; what does not fit is an {@link
 * IllegalArgumentException} that names the key and the value.
 *
 * @param conf a key's value, or null
 */
record SettingReader(UnaryOperator<String> conf) {
  /** The value of a key, or its default. */
  String text(String name, String defaultValue) {
    String value = conf.apply(SqlSettings.PREFIX + name);
    return value == null || value.isBlank() ? defaultValue : value.strip();
  }

  /** The value of a key that must be set. */
  String required(String name) {
    String value = text(name, null);
    if (value == null) {
      throw new IllegalArgumentException(
          "Cannot compute Sparsefill's functions: the configuration key %s%s is not set; set it before the query"
              .formatted(SqlSettings.PREFIX, name));
    }
    return value;
  }

  /** A value whose reader throws IllegalArgumentException with what it accepts. */
  <T> T value(String name, String defaultValue, Function<String, T> reader) {
    String value = text(name, defaultValue);
    try {
      return reader.apply(value);
    } catch (IllegalArgumentException e) {
      throw refused(name, value, e.getMessage(), e);
    }
  }

  /** A key that is {@code true} or {@code false}; false when it is not set. */
  boolean isOn(String name) {
    String value = text(name, "false");
    if (!value.equals("true") && !value.equals("false")) {
      throw refused(name, value, "accepted is true, false", null);
    }
    return value.equals("true");
  }

  /** A whole number of at least {@code least}. */
  int integer(String name, String defaultValue, int least) {
    String value = text(name, defaultValue);
    NumberFormatException cause = null;
    try {
      int number = Integer.parseInt(value);
      if (number >= least) {
        return number;
      }
    } catch (NumberFormatException e) {
      cause = e;
    }
    throw refused(name, value, "accepted is a whole number of at least " + least, cause);
  }

  /** One of an enum's constants, in lower case. */
  <E extends Enum<E>> E word(String name, E defaultValue) {
    E[] constants = defaultValue.getDeclaringClass().getEnumConstants();
    String value = text(name, label(defaultValue));
    for (E constant : constants) {
      if (label(constant).equals(value)) {
        return constant;
      }
    }
    String accepted =
        String.join(", ", Arrays.stream(constants).map(SettingReader::label).toList());
    throw refused(name, value, "accepted is " + accepted, null);
  }

  private static String label(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT);
  }

  private static IllegalArgumentException refused(
      String name, String value, String reason, Exception cause) {
    return new IllegalArgumentException(
        "Cannot use %s%s=%s: %s".formatted(SqlSettings.PREFIX, name, value, reason), cause);
  }
}
