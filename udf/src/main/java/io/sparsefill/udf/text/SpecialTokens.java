package io.sparsefill.udf.text;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/**
 * The special tokens that are put around every document.
 *
 * @param before ids in front of the text
 * @param after ids behind it
 * @param reason which file or option decided
 */
record SpecialTokens(List<Integer> before, List<Integer> after, String reason) {
  /** A short text of one token or more, whatever the tokenizer. */
  private static final String PROBE = "a";

  /**
   * Decides; {@link BosPolicy} says how.
   *
   * @throws IllegalArgumentException if the files ask for a token that does not exist
   */
  static SpecialTokens decide(BosPolicy policy, TokenizerFiles files, NativeTokenizer tokenizer) {
    return switch (policy) {
      case NEVER -> new SpecialTokens(List.of(), List.of(), "never");
      case ALWAYS -> always(files, postProcessor(files, tokenizer));
      case AUTO -> auto(files, postProcessor(files, tokenizer));
    };
  }

  private static SpecialTokens always(TokenizerFiles files, SpecialTokens processor) {
    if (!processor.before().isEmpty()) {
      return new SpecialTokens(
          processor.before(), List.of(), "always, as the post-processor of tokenizer.json");
    }
    return new SpecialTokens(List.of(bos(files)), List.of(), "always");
  }

  private static SpecialTokens auto(TokenizerFiles files, SpecialTokens processor) {
    if (files.config().path("add_bos_token").isBoolean()) {
      return configured(files);
    }
    if (!processor.before().isEmpty() || !processor.after().isEmpty()) {
      return processor;
    }
    if (files.config().has("bos_token") && files.config().path("bos_token").isNull()) {
      return new SpecialTokens(List.of(), List.of(), "bos_token null in tokenizer_config.json");
    }
    Integer bos = files.modelBosId();
    if (bos != null && files.specialTokens().containsValue(bos)) {
      return new SpecialTokens(List.of(bos), List.of(), "bos_token_id of config.json");
    }
    return new SpecialTokens(
        List.of(),
        List.of(),
        bos == null
            ? "no file names a BOS token"
            : "bos_token_id %d of config.json is no special token of tokenizer.json"
                .formatted(bos));
  }

  private static SpecialTokens configured(TokenizerFiles files) {
    boolean bos = files.config().path("add_bos_token").asBoolean();
    boolean eos = files.config().path("add_eos_token").asBoolean(false);
    List<Integer> after = List.of();
    if (eos) {
      Integer id = files.configuredToken("eos_token");
      if (id == null) {
        throw new IllegalArgumentException(
            "Cannot open the tokenizer of %s: add_eos_token is true, but tokenizer_config.json has no eos_token"
                .formatted(files.folder()));
      }
      after = List.of(id);
    }
    return new SpecialTokens(
        bos ? List.of(bos(files)) : List.of(),
        after,
        "add_bos_token %s in tokenizer_config.json".formatted(bos));
  }

  /** The model's BOS token, as tokenizer_config.json names it or else config.json. */
  private static Integer bos(TokenizerFiles files) {
    Integer id = files.configuredToken("bos_token");
    if (id == null) {
      id = files.modelBosId();
    }
    if (id == null) {
      throw new IllegalArgumentException(
          "Cannot put a BOS token before the documents of %s: neither bos_token in tokenizer_config.json nor bos_token_id in config.json names one; take the policy auto or never"
              .formatted(files.folder()));
    }
    return id;
  }

  /** What the post-processor adds, found out by comparing a text with and without it. */
  private static SpecialTokens postProcessor(TokenizerFiles files, NativeTokenizer tokenizer) {
    long[] plain = tokenizer.encode(PROBE, false);
    long[] processed = tokenizer.encode(PROBE, true);
    for (int at = 0; at + plain.length <= processed.length; at++) {
      if (Arrays.equals(processed, at, at + plain.length, plain, 0, plain.length)) {
        return new SpecialTokens(
            ids(processed, 0, at),
            ids(processed, at + plain.length, processed.length),
            "post-processor of tokenizer.json");
      }
    }
    throw new IllegalArgumentException(
        "Cannot open the tokenizer of %s: its post-processor turns the ids %s into %s, which is more than adding special tokens"
            .formatted(files.folder(), Arrays.toString(plain), Arrays.toString(processed)));
  }

  private static List<Integer> ids(long[] ids, int from, int to) {
    return Arrays.stream(ids, from, to).mapToObj(id -> (int) id).toList();
  }

  /** One line for fingerprints and logs. */
  String description(TokenizerFiles files) {
    return "before=%s after=%s (%s)".formatted(named(before, files), named(after, files), reason);
  }

  private static String named(List<Integer> ids, TokenizerFiles files) {
    return ids.stream()
        .map(id -> id + " " + files.nameOf(id))
        .collect(Collectors.joining(", ", "[", "]"));
  }
}
