package io.sparsefill.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Oracle: the function applied one element after the other. */
@Timeout(30)
class InOrderTest {
  private static InOrder<Integer, Integer> of(
      int count, int threads, long mostWeight, Function<Integer, Integer> function) {
    return new InOrder<>(
        IntStream.range(0, count).iterator(), function, threads, element -> 10, mostWeight);
  }

  private static List<Integer> all(InOrder<Integer, Integer> results) {
    List<Integer> list = new ArrayList<>();
    results.forEachRemaining(list::add);
    return list;
  }

  @Test
  void resultsComeInTheElementsOrder() {
    for (int threads : new int[] {1, 3, 8}) {
      try (InOrder<Integer, Integer> results = of(100, threads, 1_000, i -> i * i)) {
        assertThat(all(results))
            .isEqualTo(IntStream.range(0, 100).map(i -> i * i).boxed().toList());
        assertThatThrownBy(results::next).isInstanceOf(NoSuchElementException.class);
      }
    }
    try (InOrder<Integer, Integer> none = of(0, 2, 1_000, i -> i)) {
      assertThat(none.hasNext()).isFalse();
    }
  }

  @Test
  void severalElementsAreUnderWayAtOnce() {
    CyclicBarrier three = new CyclicBarrier(3);
    try (InOrder<Integer, Integer> results =
        of(
            9,
            3,
            1_000,
            i -> {
              try {
                three.await(20, TimeUnit.SECONDS); // passes only if three wait for each other
              } catch (Exception e) {
                throw new IllegalStateException(e);
              }
              return i;
            })) {
      assertThat(all(results)).hasSize(9);
    }
  }

  @Test
  void weightBoundsWhatIsUnderWay() {
    AtomicInteger taken = new AtomicInteger();
    InOrder<Integer, Integer> results =
        new InOrder<>(
            IntStream.range(0, 20).peek(i -> taken.incrementAndGet()).iterator(),
            i -> i,
            8,
            element -> 10,
            25);
    try (results) {
      results.next();
      // The one that was given, and those until 25 are reached: 10, 20, 30.
      assertThat(taken.get()).isLessThanOrEqualTo(1 + 3 + 1); // an IntStream reads one ahead
    }
  }

  @Test
  void aFailureComesAtItsOwnElement() {
    try (InOrder<Integer, Integer> results =
        of(
            10,
            4,
            1_000,
            i -> {
              if (i == 2) {
                throw new IllegalArgumentException("two");
              }
              return i;
            })) {
      assertThat(results.next()).isZero();
      assertThat(results.next()).isEqualTo(1);
      assertThatThrownBy(results::next)
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("two");
    }
  }
}
