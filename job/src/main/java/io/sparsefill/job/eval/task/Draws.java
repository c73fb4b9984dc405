package io.sparsefill.job.eval.task;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.function.Supplier;

/**
 * Random draws that are the same on every JDK: SplitMix64 (Steele, Lea, Flood 2014), begun from a
 * hash of what the draws are for. Draws of different purposes do not shift each other.
 */
final class Draws {
  private long state;

  Draws(long state) {
    this.state = state;
  }

  /** Draws for a purpose, named by words and numbers: seed, task, length, part of the sample. */
  static Draws of(Object... purpose) {
    long hash = 0xcbf29ce484222325L; // FNV-1a, 64 bits
    for (Object part : purpose) {
      for (byte b : part.toString().getBytes(StandardCharsets.UTF_8)) {
        hash = (hash ^ (b & 0xff)) * 0x100000001b3L;
      }
      hash = (hash ^ 0xff) * 0x100000001b3L; // ends a part; no UTF-8 text holds this byte
    }
    return new Draws(hash);
  }

  /** 64 random bits. */
  long bits() {
    state += 0x9e3779b97f4a7c15L;
    long z = state;
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }

  /** A number in [0, bound), even to one part in 2^32 / bound. */
  int below(int bound) {
    return (int) (((bits() >>> 32) * bound) >>> 32);
  }

  /** An element. */
  <T> T pick(List<T> list) {
    return list.get(below(list.size()));
  }

  /** Brings a list into random order (Fisher-Yates). */
  <T> void shuffle(List<T> list) {
    for (int i = list.size() - 1; i > 0; i--) {
      T last = list.get(i);
      int j = below(i + 1);
      list.set(i, list.get(j));
      list.set(j, last);
    }
  }

  /** Draws until something comes that is not among those taken, and takes it. */
  String fresh(Set<String> taken, Supplier<String> draw) {
    String drawn = draw.get();
    while (!taken.add(drawn)) {
      drawn = draw.get();
    }
    return drawn;
  }

  /** A number of so many decimal digits, the first of them not 0. */
  String number(int digits) {
    StringBuilder text = new StringBuilder().append((char) ('1' + below(9)));
    while (text.length() < digits) {
      text.append((char) ('0' + below(10)));
    }
    return text.toString();
  }

  /** A random UUID (version 4). */
  String uuid() {
    long high = (bits() & ~0xf000L) | 0x4000L;
    long low = (bits() & 0x3fffffffffffffffL) | 0x8000000000000000L;
    return new UUID(high, low).toString();
  }

  /** Letters of the alphabet that begins with {@code first}, {@code 'a'} or {@code 'A'}. */
  String letters(char first, int count) {
    StringBuilder text = new StringBuilder();
    while (text.length() < count) {
      text.append((char) (first + below(26)));
    }
    return text.toString();
  }
}
