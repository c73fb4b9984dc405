package io.sparsefill.udf.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.sparsefill.udf.SharedMaterial;
import java.util.ArrayDeque;
import java.util.Deque;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** One tokenizer for the tasks of a JVM, and how long it stays. */
class SharedTokenizerTest {
  private final String model = SharedMaterial.model("needle-2m").toString();
  private final Deque<Runnable> whenIdle = new ArrayDeque<>();

  @AfterEach
  void close() {
    SharedTokenizer.closeUnclaimed();
    assertThat(SharedTokenizer.held()).isZero();
  }

  private SharedTokenizer acquire(BosPolicy bos) {
    return SharedTokenizer.acquire(model, bos, whenIdle::add);
  }

  @Test
  void oneTokenizerServesAllTasksAndOutlivesThem() {
    TextTokenizer tokenizer;
    try (SharedTokenizer a = acquire(BosPolicy.AUTO);
        SharedTokenizer b = acquire(BosPolicy.AUTO)) {
      tokenizer = a.tokenizer();
      assertThat(b.tokenizer()).isSameAs(tokenizer);
      a.close();
      a.close(); // counts once
      acquire(BosPolicy.NEVER).close();
      assertThat(b.tokenizer().encode("still open")).isNotEmpty();
    }
    try (SharedTokenizer c = acquire(BosPolicy.AUTO)) {
      assertThat(c.tokenizer()).isSameAs(tokenizer);
    }
    acquire(BosPolicy.NEVER).close();
    assertThat(SharedTokenizer.held()).as("another one replaces it").isEqualTo(1);
    try (SharedTokenizer d = acquire(BosPolicy.AUTO)) {
      assertThat(d.tokenizer()).isNotSameAs(tokenizer);
    }
  }

  @Test
  void aTokenizerThatNobodyUsesIsClosedAfterAWhile() {
    acquire(BosPolicy.AUTO).close();
    acquire(BosPolicy.AUTO).close();
    assertThat(whenIdle).hasSize(2);
    whenIdle.poll().run(); // it was used after this was wished for
    assertThat(SharedTokenizer.held()).isEqualTo(1);
    try (SharedTokenizer used = acquire(BosPolicy.AUTO)) {
      whenIdle.poll().run();
      assertThat(used.tokenizer().encode("still open")).isNotEmpty();
    }
    whenIdle.poll().run();
    assertThat(SharedTokenizer.held()).isZero();
  }

  @Test
  void aModelWithoutTokenizerHoldsNothing() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> SharedTokenizer.acquire(model + "-none", BosPolicy.AUTO));
    assertThat(SharedTokenizer.held()).isZero();
  }
}
