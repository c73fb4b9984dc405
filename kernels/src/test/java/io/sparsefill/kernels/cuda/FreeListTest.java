package io.sparsefill.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The parts of what was reserved on the device. */
class FreeListTest {
  private static final int SIZE = 1000;

  @Test
  void theFirstGapThatIsLargeEnoughIsTaken() {
    FreeList list = new FreeList(100);
    assertThat(list.take(30)).isZero();
    assertThat(list.take(20)).isEqualTo(30);
    assertThat(list.take(50)).isEqualTo(50);
    assertThat(list.take(1)).isEqualTo(-1);
    list.give(0, 30);
    list.give(50, 50);
    assertThat(list.take(40)).isEqualTo(50);
    assertThat(list.take(10)).isZero();
    assertThat(list.free()).isEqualTo(30);
    assertThat(list.largest()).isEqualTo(20);
  }

  /**
   * Oracle: a set of bytes. Whatever is taken is free, and what is given back joins its neighbours.
   */
  @Test
  void neverGivesAByteTwiceAndForgetsNone() {
    Random random = new Random(5);
    FreeList list = new FreeList(SIZE);
    BitSet taken = new BitSet(SIZE);
    List<int[]> blocks = new ArrayList<>();
    for (int step = 0; step < 5000; step++) {
      if (random.nextBoolean()) {
        int length = 1 + random.nextInt(60);
        int at = (int) list.take(length);
        if (at < 0) {
          assertThat(longestGap(taken)).isLessThan(length);
        } else {
          assertThat(taken.get(at, at + length).isEmpty()).isTrue();
          taken.set(at, at + length);
          blocks.add(new int[] {at, length});
        }
      } else if (!blocks.isEmpty()) {
        int[] block = blocks.remove(random.nextInt(blocks.size()));
        list.give(block[0], block[1]);
        taken.clear(block[0], block[0] + block[1]);
      }
      assertThat(list.free()).isEqualTo(SIZE - taken.cardinality());
      assertThat(list.largest()).isEqualTo(longestGap(taken));
    }
  }

  private static int longestGap(BitSet taken) {
    int longest = 0;
    for (int at = taken.nextClearBit(0); at < SIZE; ) {
      int end = taken.nextSetBit(at);
      end = end < 0 ? SIZE : end;
      longest = Math.max(longest, end - at);
      at = taken.nextClearBit(end);
    }
    return longest;
  }
}
