package io.sparsefill.udf;

import java.util.Random;

/**
 * Key-value retrieval as the needle models were trained on it: a JSON object of UUIDs, and the
 * question for one of them.
 *
 * @param prompt what the model reads
 * @param answer what must follow
 */
record KeyValuePrompt(String prompt, String answer) {
  /** Tokens of a pair of UUIDs, about. */
  private static final int PAIR = 76;

  /**
   * A prompt of about that many tokens; the pair that is asked for stands after its first third.
   */
  static KeyValuePrompt of(int tokens, long seed) {
    Random random = new Random(seed);
    StringBuilder json = new StringBuilder();
    String asked = null;
    String answer = null;
    int pairs = tokens / PAIR;
    for (int i = 0; i < pairs; i++) {
      String key = uuid(random);
      String value = uuid(random);
      json.append(i == 0 ? "" : ", ").append("\"%s\": \"%s\"".formatted(key, value));
      if (i == pairs / 3) {
        asked = key;
        answer = value;
      }
    }
    return new KeyValuePrompt(
        "Extract the value corresponding to the specified key in the JSON object below.\n\nJSON data:\n{"
            + json
            + "}\n\nKey: \""
            + asked
            + "\"\nThe value associated with the specified key is: \"",
        answer + "\"");
  }

  private static String uuid(Random random) {
    String hex = "%016x%016x".formatted(random.nextLong(), random.nextLong());
    return String.join(
        "-",
        hex.substring(0, 8),
        hex.substring(8, 12),
        hex.substring(12, 16),
        hex.substring(16, 20),
        hex.substring(20));
  }
}
