package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Oracle: the writes as they were given. */
@Timeout(30)
class WriteBehindTest {
  private static final int LANES = 3;

  private final AtomicInteger lane = new AtomicInteger();

  @Test
  void writesOfALaneKeepTheirOrder() throws Exception {
    List<Integer> written = new ArrayList<>();
    try (WriteBehind writing = new WriteBehind(100, LANES)) {
      for (int i = 0; i < 1_000; i++) {
        int number = i;
        writing.put(0, i % 300, () -> written.add(number)); // some are larger than all the room
      }
      writing.await();
      assertThat(written).hasSize(1_000).isSorted();
    }
  }

  /** Each of two writes waits for the other: one thread would never end them. */
  @Test
  void lanesWriteAtTheSameTime() throws Exception {
    CyclicBarrier both = new CyclicBarrier(2);
    try (WriteBehind writing = new WriteBehind(100, LANES)) {
      for (int i = 0; i < 2; i++) {
        writing.put(
            i,
            1,
            () -> {
              try {
                both.await(20, TimeUnit.SECONDS);
              } catch (Exception e) {
                throw new IOException("alone", e);
              }
            });
      }
      writing.await();
    }
  }

  @Test
  void whatIsPutBehindAllComesAfterEveryLaneAndInOrder() throws Exception {
    CountDownLatch slow = new CountDownLatch(1);
    List<String> written = Collections.synchronizedList(new ArrayList<>());
    try (WriteBehind writing = new WriteBehind(100, LANES)) {
      writing.put(0, 1, () -> written.add("a"));
      writing.put(
          2,
          1,
          () -> {
            await(slow);
            written.add("b");
          });
      writing.putBehindAll(1, () -> written.add("first"));
      CountDownLatch later = new CountDownLatch(1);
      writing.put(
          1,
          1,
          () -> {
            written.add("c");
            later.countDown();
          });
      later.await(); // another lane goes on meanwhile
      assertThat(written).containsExactlyInAnyOrder("a", "c");
      writing.putBehindAll(1, () -> written.add("second"));
      slow.countDown();
      writing.await();
      assertThat(written.subList(2, 5)).containsExactly("b", "first", "second");
    }
  }

  @Test
  void aFullQueueHoldsTheGiverBackUntilSomethingIsWritten() throws Exception {
    CountDownLatch disk = new CountDownLatch(1);
    AtomicInteger given = new AtomicInteger();
    try (WriteBehind writing = new WriteBehind(100, LANES)) {
      Thread giver =
          new Thread(
              () -> {
                try {
                  for (int i = 0; i < 4; i++) {
                    writing.put(lane.getAndIncrement() % LANES, 50, () -> await(disk));
                    given.incrementAndGet();
                  }
                } catch (IOException | InterruptedException e) {
                  throw new IllegalStateException(e);
                }
              });
      giver.start();
      while (giver.getState() != Thread.State.WAITING) { // for room: nothing else makes it wait
        Thread.onSpinWait();
      }
      assertThat(given.get()).isEqualTo(2);
      disk.countDown();
      giver.join();
      assertThat(given.get()).isEqualTo(4);
    }
  }

  @Test
  void theFirstFailureIsThrownByEveryLaterCallAndDropsWhatWaits() throws Exception {
    AtomicInteger written = new AtomicInteger();
    try (WriteBehind writing = new WriteBehind(100, LANES)) {
      CountDownLatch all = new CountDownLatch(1);
      writing.put(
          0,
          1,
          () -> {
            await(all);
            throw new IOException("disk full");
          });
      writing.put(0, 1, written::incrementAndGet);
      all.countDown();
      assertThatThrownBy(writing::await).isInstanceOf(IOException.class).hasMessage("disk full");
      assertThatThrownBy(() -> writing.put(1, 1, written::incrementAndGet)).hasMessage("disk full");
      assertThatThrownBy(writing::rethrowFailure).hasMessage("disk full");
      assertThat(written.get()).isZero();
    }
  }

  @Test
  void aFailureInOneLaneDropsWhatWaitsInAllOthersAndBehindThem() throws Exception {
    AtomicInteger written = new AtomicInteger();
    try (WriteBehind writing = new WriteBehind(100, LANES)) {
      CountDownLatch failed = new CountDownLatch(1);
      CountDownLatch waits = new CountDownLatch(1);
      writing.put(0, 1, () -> await(failed));
      writing.put(0, 1, written::incrementAndGet);
      writing.putBehindAll(1, written::incrementAndGet);
      writing.put(
          1,
          1,
          () -> {
            waits.countDown();
            throw new IOException("disk full");
          });
      waits.await();
      assertThatThrownBy(
              () -> {
                while (true) { // until the failure is known
                  writing.put(1, 1, () -> {});
                }
              })
          .hasMessage("disk full");
      failed.countDown();
      assertThatThrownBy(writing::await).hasMessage("disk full");
      assertThatThrownBy(() -> writing.putBehindAll(1, written::incrementAndGet))
          .hasMessage("disk full");
    }
    assertThat(written.get()).isZero();
  }

  /** Two lanes hang, and a write waits behind them; oracle: the threads are gone. */
  @Test
  void closingEndsAllThreads() throws Exception {
    CountDownLatch never = new CountDownLatch(1);
    CountDownLatch begun = new CountDownLatch(2);
    AtomicInteger written = new AtomicInteger();
    try (WriteBehind writing = new WriteBehind(100, LANES)) {
      for (int i = 0; i < 2; i++) {
        writing.put(
            i,
            1,
            () -> {
              begun.countDown();
              await(never);
            });
      }
      writing.putBehindAll(1, written::incrementAndGet);
      begun.await();
    }
    assertThat(written.get()).isZero();
    assertThat(Thread.getAllStackTraces().keySet())
        .extracting(Thread::getName)
        .noneMatch(name -> name.startsWith("sparsefill-write"));
  }

  @Test
  void closingInterruptsAWriteThatHangs() throws Exception {
    CountDownLatch begun = new CountDownLatch(1);
    AtomicBoolean interrupted = new AtomicBoolean();
    try (WriteBehind writing = new WriteBehind(100, LANES)) {
      writing.put(
          0,
          1,
          () -> {
            begun.countDown();
            try {
              new CountDownLatch(1).await(20, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
              interrupted.set(true);
            }
          });
      begun.await();
    }
    assertThat(interrupted).isTrue();
  }

  private static void await(CountDownLatch latch) throws IOException {
    try {
      if (!latch.await(20, TimeUnit.SECONDS)) {
        throw new IOException("nobody let it go on");
      }
    } catch (InterruptedException e) {
      throw new IOException("interrupted", e);
    }
  }
}
