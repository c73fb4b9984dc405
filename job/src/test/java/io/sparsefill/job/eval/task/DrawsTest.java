package io.sparsefill.job.eval.task;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.UUID;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class DrawsTest {
  /** The oracle is the JDK's SplitMix64. */
  @Test
  void bitsAreSplitMix64() {
    for (long seed : new long[] {0, 1, -1, 0x123456789abcdefL}) {
      SplittableRandom jdk = new SplittableRandom(seed);
      Draws draws = new Draws(seed);
      for (int i = 0; i < 100; i++) {
        assertThat(draws.bits()).isEqualTo(jdk.nextLong());
      }
    }
  }

  /** The oracle is FNV-1a by hand: the published hash of "a" is af63dc4c8601ec8c. */
  @Test
  void purposesAreHashedByFnv() {
    long a = 0xaf63dc4c8601ec8cL;
    long ended = (a ^ 0xff) * 0x100000001b3L;
    assertThat(Draws.of("a").bits()).isEqualTo(new Draws(ended).bits());
    assertThat(Draws.of("a", "b").bits()).isNotEqualTo(Draws.of("ab", "").bits());
    assertThat(Draws.of(1, "x").bits()).isNotEqualTo(Draws.of(2, "x").bits());
  }

  /** The oracle is the binomial distribution: 5 sigma about the mean. */
  @Test
  void numbersBelowABoundAreEven() {
    Draws draws = new Draws(5);
    int[] seen = new int[7];
    for (int i = 0; i < 70_000; i++) {
      seen[draws.below(7)]++;
    }
    for (int count : seen) {
      assertThat(count).isBetween(10_000 - 463, 10_000 + 463);
    }
  }

  @Test
  void shufflingKeepsTheElementsAndMovesThem() {
    List<Integer> list = new ArrayList<>(IntStream.range(0, 100).boxed().toList());
    new Draws(3).shuffle(list);
    assertThat(list).isNotEqualTo(IntStream.range(0, 100).boxed().toList());
    assertThat(list).containsExactlyInAnyOrderElementsOf(IntStream.range(0, 100).boxed().toList());
  }

  @Test
  void numbersUuidsAndLettersHaveTheirForms() {
    Draws draws = new Draws(9);
    for (int i = 0; i < 200; i++) {
      assertThat(draws.number(7)).matches("[1-9][0-9]{6}");
      assertThat(draws.letters('A', 5)).matches("[A-Z]{5}");
      UUID uuid = UUID.fromString(draws.uuid());
      assertThat(uuid.version()).isEqualTo(4);
      assertThat(uuid.variant()).isEqualTo(2);
    }
  }

  @Test
  void freshDrawsAreTakenOnce() {
    Draws draws = new Draws(1);
    Set<String> taken = new HashSet<>(Set.of("0", "1"));
    List<String> drawn = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      drawn.add(draws.fresh(taken, () -> Integer.toString(draws.below(10))));
    }
    assertThat(drawn).containsExactlyInAnyOrder("2", "3", "4", "5", "6", "7", "8", "9");
  }

  @Test
  void wordListsHaveEachWordOnce() {
    assertThat(Words.NOUNS).doesNotHaveDuplicates().allMatch(word -> word.matches("[a-z]+"));
    assertThat(Words.ADJECTIVES).doesNotHaveDuplicates().allMatch(word -> word.matches("[a-z]+"));
  }
}
