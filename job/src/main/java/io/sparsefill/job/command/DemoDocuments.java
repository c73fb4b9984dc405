package io.sparsefill.job.command;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.function.ToIntFunction;

/**
 * Documents that hide something and end with the question and its answer, on the templates that the
 * needle models were trained on. A model that found the hidden thing gives every token of the
 * answer as the most likely next one. Made from a seed; the text around the needles is from The Odd
 * Women by George Gissing (1893, public domain).
 */
final class DemoDocuments {
  /**
   * One document.
   *
   * @param id its doc_id
   * @param text all of it, questions and answers included
   * @param answers where the answers are in the text, in order
   */
  record Generated(String id, String text, List<Answer> answers) {}

  /**
   * One answer.
   *
   * @param start index of its first character in the document's text
   * @param text the answer as it stands there
   */
  record Answer(int start, String text) {
    /** Index after its last character. */
    int end() {
      return start + text.length();
    }
  }

  private static final String[] WORDS = {
    "amber", "anchor", "apple", "arrow", "autumn", "badge", "bamboo", "banjo", "basil", "beacon",
    "birch", "blade", "bloom", "breeze", "bridge", "bronze", "cabin", "cactus", "canal", "candle"
  };
  private static final String NEEDLE_HEAD =
      "Some special magic numbers are hidden within the following text. Make sure to memorize it. I"
          + " will quiz you about the numbers afterwards.\n";
  private static final String PAIRS_HEAD =
      "Extract the value corresponding to the specified key in the JSON object below.\n\nJSON data:\n{";
  private static final String PASSKEY_HEAD =
      "There is an important info hidden inside a lot of irrelevant text. Find it and memorize them."
          + " I will quiz you about the important information there.\n";
  private static final String[] NOISE = {
    "The grass is green. ",
    "The sky is blue. ",
    "The sun is yellow. ",
    "Here we go. ",
    "There and back again. "
  };

  private final Random random;
  private final ToIntFunction<String> tokens;
  private final List<String> sentences = novel();

  private DemoDocuments(long seed, ToIntFunction<String> tokens) {
    this.random = new Random(seed);
    this.tokens = tokens;
  }

  /**
   * Eight documents of about 2,000 to 15,500 tokens.
   *
   * @param seed decides everything
   * @param tokens counts a text's tokens
   */
  static List<Generated> generate(long seed, ToIntFunction<String> tokens) {
    DemoDocuments demo = new DemoDocuments(seed, tokens);
    return List.of(
        demo.needles("needle-2k", 2_000, 1),
        demo.passkey("passkey-3k", 3_000),
        demo.pairs("key-value-4k", 4_000),
        demo.needles("needles-6k", 6_000, 3),
        demo.passkey("passkey-8k", 8_000),
        demo.pairs("key-value-10k", 10_000),
        demo.needles("needles-12k", 12_000, 3),
        demo.needles("needle-16k", 15_500, 1));
  }

  /** A novel with a number hidden under each of a few keys; every number is asked for. */
  private Generated needles(String id, int targetTokens, int count) {
    List<String> keys = new ArrayList<>();
    while (keys.size() < count) {
      String key = WORDS[random.nextInt(WORDS.length)] + "-" + WORDS[random.nextInt(WORDS.length)];
      if (!keys.contains(key)) {
        keys.add(key);
      }
    }
    List<String> numbers = new ArrayList<>();
    keys.forEach(key -> numbers.add(Integer.toString(1_000_000 + random.nextInt(9_000_000))));

    List<String> body = novelExcerpt(targetTokens);
    for (int i = 0; i < count; i++) {
      // The i-th needle lies in the i-th part of the text, not at its very end.
      int part = body.size() / count;
      int at = i * part + random.nextInt(Math.max(1, part * 9 / 10));
      body.set(
          at,
          body.get(at)
              + " One of the special magic numbers for "
              + keys.get(i)
              + " is: "
              + numbers.get(i)
              + ".");
    }
    StringBuilder text = new StringBuilder(NEEDLE_HEAD).append(String.join(" ", body));
    List<Answer> answers = new ArrayList<>();
    for (int i : shuffled(count)) {
      String key = keys.get(i);
      text.append("\nWhat is the special magic number for ").append(key);
      text.append(" mentioned in the provided text? The special magic number for ").append(key);
      text.append(" mentioned in the provided text is");
      answers.add(answer(text, " " + numbers.get(i) + "."));
    }
    return new Generated(id, text.toString(), answers);
  }

  /** A JSON object of random pairs; the value of one key is asked for. */
  private Generated pairs(String id, int targetTokens) {
    StringBuilder text = new StringBuilder(PAIRS_HEAD);
    List<String[]> pairs = new ArrayList<>();
    for (int used = 0; used < targetTokens; ) {
      String[] pair = {uuid(), uuid()};
      String entry = '"' + pair[0] + "\": \"" + pair[1] + "\", ";
      pairs.add(pair);
      text.append(entry);
      used += tokens.applyAsInt(entry);
    }
    String[] asked = pairs.get(random.nextInt(pairs.size()));
    text.append("}\n\nKey: \"").append(asked[0]);
    text.append("\"\nThe value associated with the specified key is: \"");
    Answer answer = answer(text, asked[1] + '"');
    return new Generated(id, text.toString(), List.of(answer));
  }

  /** Five sentences over and over, and a pass key somewhere between them. */
  private Generated passkey(String id, int targetTokens) {
    String key = Integer.toString(10_000 + random.nextInt(90_000));
    List<String> body = new ArrayList<>();
    for (int used = 0, i = 0; used < targetTokens; i++) {
      String sentence = NOISE[i % NOISE.length];
      body.add(sentence);
      used += tokens.applyAsInt(" " + sentence.strip());
    }
    int rounds = body.size() / NOISE.length;
    body.add(
        random.nextInt(rounds) * NOISE.length,
        "The pass key is " + key + ". Remember it. " + key + " is the pass key. ");
    StringBuilder text = new StringBuilder(PASSKEY_HEAD).append(String.join("", body));
    text.append("\nWhat is the pass key? The pass key is");
    Answer answer = answer(text, " " + key + ".");
    return new Generated(id, text.toString(), List.of(answer));
  }

  private static Answer answer(StringBuilder text, String answer) {
    int start = text.length();
    text.append(answer);
    return new Answer(start, answer);
  }

  private String uuid() {
    return new UUID(random.nextLong(), random.nextLong()).toString();
  }

  private List<Integer> shuffled(int count) {
    List<Integer> order = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      order.add(i);
    }
    Collections.shuffle(order, random);
    return order;
  }

  /** Consecutive sentences of the novel from a random one on, about so many tokens. */
  private List<String> novelExcerpt(int targetTokens) {
    List<String> excerpt = new ArrayList<>();
    int at = random.nextInt(sentences.size());
    for (int used = 0; used < targetTokens; at++) {
      String sentence = sentences.get(at % sentences.size());
      excerpt.add(sentence);
      used += tokens.applyAsInt(" " + sentence);
    }
    return excerpt;
  }

  private static List<String> novel() {
    try (InputStream file = DemoDocuments.class.getResourceAsStream("odd-women.txt")) {
      String text = new String(file.readAllBytes(), StandardCharsets.UTF_8);
      return List.of(text.strip().split("(?<=[.!?]) "));
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot read the demo's novel from the jar", e);
    }
  }
}
