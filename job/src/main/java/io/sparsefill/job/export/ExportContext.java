package io.sparsefill.job.export;

import java.io.Serializable;
import java.util.List;
import java.util.Map;

/**
 * What a format needs to know besides the cache.
 *
 * @param docId the document
 * @param model the model's name as the engine knows it ({@code --model-name}; else the last part of
 *     the folder that the run took it from)
 * @param fingerprint hex SHA-256 of the run's identity
 * @param identity all that decides the numbers, as in manifest.json
 * @param options all of the format's {@link CacheFormat#options()}, given or standard
 */
record ExportContext(
    String docId,
    String model,
    String fingerprint,
    Map<String, String> identity,
    Map<String, String> options)
    implements Serializable {
  /** An option's value. */
  String option(String name) {
    String value = options.get(name);
    if (value == null) {
      throw new IllegalStateException("The format has no option " + name);
    }
    return value;
  }

  /**
   * An option that is a whole number of at least {@code least}.
   *
   * @throws IllegalArgumentException naming option and value
   */
  int number(String name, int least) {
    String value = option(name);
    try {
      int number = Integer.parseInt(value);
      if (number >= least) {
        return number;
      }
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "Cannot use --set " + name + "=" + value + ": it must be a whole number", e);
    }
    throw new IllegalArgumentException(
        "Cannot use --set " + name + "=" + value + ": it must be at least " + least);
  }

  /**
   * An option that is one of a few words.
   *
   * @throws IllegalArgumentException naming option, value and the accepted words
   */
  String choice(String name, String... accepted) {
    String value = option(name);
    if (!List.of(accepted).contains(value)) {
      throw new IllegalArgumentException(
          "Cannot use --set "
              + name
              + "="
              + value
              + ": accepted are "
              + String.join(", ", accepted));
    }
    return value;
  }

  /**
   * A field of the run's identity.
   *
   * @throws IllegalArgumentException if the run does not state it
   */
  String identity(String name) {
    String value = identity.get(name);
    if (value == null) {
      throw new IllegalArgumentException(
          "Cannot export this run: its manifest does not state " + name + ", which the files need");
    }
    return value;
  }
}
