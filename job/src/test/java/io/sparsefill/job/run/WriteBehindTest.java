package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Oracle: the writes as they were given. */
@Timeout(30)
class WriteBehindTest {
  @Test
  void writesKeepTheirOrder() throws Exception {
    List<Integer> written = new ArrayList<>();
    try (WriteBehind writing = new WriteBehind(100)) {
      for (int i = 0; i < 1_000; i++) {
        int number = i;
        writing.put(i % 300, () -> written.add(number)); // some are larger than all the room
      }
      writing.await();
      assertThat(written).hasSize(1_000).isSorted();
    }
  }

  @Test
  void aFullQueueHoldsTheGiverBackUntilSomethingIsWritten() throws Exception {
    CountDownLatch disk = new CountDownLatch(1);
    AtomicInteger given = new AtomicInteger();
    try (WriteBehind writing = new WriteBehind(100)) {
      Thread giver =
          new Thread(
              () -> {
                try {
                  for (int i = 0; i < 4; i++) {
                    writing.put(50, () -> awaitQuietly(disk));
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
    try (WriteBehind writing = new WriteBehind(100)) {
      CountDownLatch all = new CountDownLatch(1);
      writing.put(
          1,
          () -> {
            awaitQuietly(all);
            throw new IOException("disk full");
          });
      writing.put(1, written::incrementAndGet);
      all.countDown();
      assertThatThrownBy(writing::await).isInstanceOf(IOException.class).hasMessage("disk full");
      assertThatThrownBy(() -> writing.put(1, written::incrementAndGet)).hasMessage("disk full");
      assertThatThrownBy(writing::rethrowFailure).hasMessage("disk full");
      assertThat(written.get()).isZero();
    }
  }

  @Test
  void closingInterruptsAWriteThatHangs() throws Exception {
    CountDownLatch never = new CountDownLatch(1);
    CountDownLatch begun = new CountDownLatch(1);
    try (WriteBehind writing = new WriteBehind(100)) {
      writing.put(
          1,
          () -> {
            begun.countDown();
            awaitQuietly(never);
          });
      begun.await();
    }
    assertThat(never.getCount()).isEqualTo(1);
  }

  private static void awaitQuietly(CountDownLatch latch) throws IOException {
    try {
      latch.await(20, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      throw new IOException("interrupted", e);
    }
  }
}
