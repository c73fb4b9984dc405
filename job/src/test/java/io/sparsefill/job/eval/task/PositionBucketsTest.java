package io.sparsefill.job.eval.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparsefill.job.eval.task.PositionBuckets.Bucket;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class PositionBucketsTest {
  /** The oracle is the definition, summed position by position. */
  @Test
  void bucketsDoubleAndHoldTheirPositions() {
    float[] nll = new float[1_000];
    for (int t = 0; t < nll.length; t++) {
      nll[t] = (t * 37 % 11) / 4f;
    }
    PositionBuckets buckets = new PositionBuckets(64);
    buckets.add(nll);
    buckets.add(Arrays.copyOf(nll, 99));
    List<Bucket> found = buckets.buckets();
    assertThat(found.stream().map(Bucket::from)).containsExactly(0, 64, 128, 256, 512);
    assertThat(found.stream().map(Bucket::to)).containsExactly(64, 128, 256, 512, 1_024);
    double all = 0;
    for (Bucket bucket : found) {
      double sum = 0;
      long count = 0;
      for (int length : new int[] {1_000, 99}) {
        for (int t = 0; t < length; t++) {
          if (t + 1 >= bucket.from() && t + 1 < bucket.to()) {
            sum += nll[t];
            count++;
          }
        }
      }
      all += sum;
      assertThat(bucket.tokens()).isEqualTo(count);
      assertThat(bucket.perplexity()).isCloseTo(Math.exp(sum / count), within(1e-9));
    }
    assertThat(buckets.perplexity()).isCloseTo(Math.exp(all / 1_099), within(1e-9));
  }

  @Test
  void bucketsOfTasksAreAdded() {
    PositionBuckets both = new PositionBuckets(2);
    both.add(new float[] {1, 2, 3});
    both.add(new float[] {4});
    PositionBuckets first = new PositionBuckets(2);
    first.add(new float[] {4});
    PositionBuckets second = new PositionBuckets(2);
    second.add(new float[] {1, 2, 3});
    first.add(second);
    assertThat(first.buckets()).isEqualTo(both.buckets());
    assertThatThrownBy(() -> first.add(new PositionBuckets(3)))
        .hasMessage("Cannot add buckets from 3 positions on to those from 2 on");
    assertThatThrownBy(() -> new PositionBuckets(0)).hasMessageStartingWith("Cannot make a bucket");
    assertThat(new PositionBuckets(8).perplexity()).isNaN();
  }
}
