package io.sparsefill.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Work is done once and on all threads; errors come out after every thread has ended. */
@Timeout(60)
class WorkersTest {
  @Test
  void everyItemRunsOnceOnWhicheverThreadIsFree() {
    for (int threads : new int[] {1, 2, 3}) {
      try (Workers workers = new Workers(threads)) {
        for (int count : new int[] {0, 1, 2, 3, 100}) {
          AtomicIntegerArray runs = new AtomicIntegerArray(Math.max(1, count));
          AtomicInteger scratches = new AtomicInteger();
          workers.forEach(
              count,
              thread -> scratches.getAndIncrement(),
              (item, mine) -> runs.incrementAndGet(item));
          for (int i = 0; i < count; i++) {
            assertThat(runs.get(i)).isEqualTo(1);
          }
          assertThat(scratches.get()).isEqualTo(Math.min(threads, count));
        }
      }
    }
  }

  @Test
  void rangesCoverEveryRowOnce() {
    for (int threads : new int[] {1, 2, 3}) {
      try (Workers workers = new Workers(threads)) {
        for (int rows : new int[] {0, 1, 2, 3, 4, 65}) {
          AtomicIntegerArray runs = new AtomicIntegerArray(Math.max(1, rows));
          workers.ranges(
              rows,
              (from, count) -> {
                assertThat(count).isPositive();
                for (int r = 0; r < count; r++) {
                  runs.incrementAndGet((int) from + r);
                }
              });
          for (int r = 0; r < rows; r++) {
            assertThat(runs.get(r)).as("row %d of %d", r, rows).isEqualTo(1);
          }
        }
      }
    }
  }

  @Test
  void theCallerAndThePoolWorkAtTheSameTime() {
    Set<Thread> threads = ConcurrentHashMap.newKeySet();
    CyclicBarrier together = new CyclicBarrier(3);
    try (Workers workers = new Workers(3)) {
      workers.ranges(
          3,
          (from, count) -> {
            threads.add(Thread.currentThread());
            await(together);
          });
    }
    assertThat(threads).hasSize(3).contains(Thread.currentThread());
  }

  private static void await(CyclicBarrier barrier) {
    try {
      barrier.await(30, TimeUnit.SECONDS);
    } catch (Exception e) {
      throw new IllegalStateException("The threads did not meet", e);
    }
  }

  @Test
  void anErrorOfAnyThreadComesOutAfterTheOthersHaveEnded() {
    try (Workers workers = new Workers(3)) {
      for (int failing = 0; failing < 3; failing++) {
        int bad = failing;
        CyclicBarrier together = new CyclicBarrier(3);
        CountDownLatch thrown = new CountDownLatch(1);
        AtomicInteger ended = new AtomicInteger();
        assertThatThrownBy(
                () ->
                    workers.ranges(
                        3,
                        (from, count) -> {
                          await(together);
                          if (from == bad) {
                            thrown.countDown();
                            throw new ArithmeticException("part " + bad);
                          }
                          // The others go on after the failure.
                          await(thrown);
                          ended.incrementAndGet();
                        }))
            .isInstanceOf(ArithmeticException.class)
            .hasMessage("part " + bad);
        assertThat(ended.get()).as("parts that ended before the error came out").isEqualTo(2);
      }
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      if (!latch.await(30, TimeUnit.SECONDS)) {
        throw new IllegalStateException("The failing thread never came");
      }
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void furtherErrorsAreSuppressedOnesOfTheFirst() {
    CyclicBarrier together = new CyclicBarrier(3);
    try (Workers workers = new Workers(3)) {
      assertThatThrownBy(
              () ->
                  workers.ranges(
                      3,
                      (from, count) -> {
                        await(together);
                        throw new IllegalStateException("part " + from);
                      }))
          .hasMessage("part 0")
          .satisfies(
              e ->
                  assertThat(Arrays.stream(e.getSuppressed()).map(Throwable::getMessage))
                      .containsExactly("part 1", "part 2"));
    }
  }

  @Test
  void errorsThatAreNotExceptionsComeOutAsTheyAre() {
    try (Workers workers = new Workers(2)) {
      assertThatThrownBy(
              () ->
                  workers.ranges(
                      2,
                      (from, count) -> {
                        if (from == 1) {
                          throw new OutOfMemoryError("of a test");
                        }
                      }))
          .isInstanceOf(OutOfMemoryError.class)
          .hasMessage("of a test");
    }
  }

  @Test
  void anInterruptIsKeptAndTheWorkIsFinished() {
    AtomicInteger runs = new AtomicInteger();
    CountDownLatch interrupted = new CountDownLatch(1);
    try (Workers workers = new Workers(2)) {
      workers.ranges(
          2,
          (from, count) -> {
            if (from == 0) {
              Thread.currentThread().interrupt();
              interrupted.countDown();
            } else {
              await(interrupted);
            }
            runs.incrementAndGet();
          });
    }
    // Thread.interrupted() clears it for the tests that follow.
    assertThat(Thread.interrupted()).isTrue();
    assertThat(runs.get()).isEqualTo(2);
  }

  @Test
  void closedWorkersTakeNoMoreWork() {
    Workers workers = new Workers(2);
    workers.close();
    workers.close();
    assertThatThrownBy(() -> workers.ranges(2, (from, count) -> {}))
        .isInstanceOf(RejectedExecutionException.class);
  }

  @Test
  void noThreadsIsAnError() {
    assertThatThrownBy(() -> new Workers(0).close())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("at least 1 thread, not 0");
  }
}
