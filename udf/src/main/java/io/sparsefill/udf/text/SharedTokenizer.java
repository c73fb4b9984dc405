package io.sparsefill.udf.text;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A claim on this JVM's one tokenizer of a model; opening one takes a second for large
 * vocabularies, and every task of a run or a query needs it. It stays open when the last claim is
 * closed, for the next task: until another model's is asked for, or nobody has asked for {@value
 * #KEPT_SECONDS} seconds.
 */
public final class SharedTokenizer implements AutoCloseable {
  /** How long a tokenizer stays that nobody uses; as long as an engine does. */
  static final int KEPT_SECONDS = 120;

  private static final Logger LOG = LoggerFactory.getLogger(SharedTokenizer.class);

  private static final Map<Key, Open> OPEN = new HashMap<>();

  private static final Executor AFTER_IDLE =
      CompletableFuture.delayedExecutor(KEPT_SECONDS, TimeUnit.SECONDS);

  private final Open open;
  private final Executor afterIdle;
  private boolean closed;

  private SharedTokenizer(Open open, Executor afterIdle) {
    this.open = open;
    this.afterIdle = afterIdle;
  }

  private record Key(String model, BosPolicy bos) {}

  /** One that is open; all of it is guarded by {@link #OPEN}. */
  private static final class Open {
    final Key key;
    final TextTokenizer tokenizer;
    int claims;

    /** Changes with each claim, so that an old wish to close finds that it is one. */
    long uses;

    Open(Key key) {
      this.key = key;
      this.tokenizer = TextTokenizer.open(Path.of(key.model()), key.bos());
    }
  }

  /**
   * Claims the tokenizer of a model, and opens it if it is not open.
   *
   * @param model folder of the checkpoint
   * @throws IllegalArgumentException as {@link TextTokenizer#open}
   */
  public static SharedTokenizer acquire(String model, BosPolicy bos) {
    return acquire(model, bos, AFTER_IDLE);
  }

  /**
   * The same, for tests.
   *
   * @param afterIdle runs what it is given when a tokenizer that nobody uses has been kept long
   *     enough
   */
  static SharedTokenizer acquire(String model, BosPolicy bos, Executor afterIdle) {
    Key key = new Key(model, bos);
    synchronized (OPEN) {
      closeUnclaimed(key);
      Open open = OPEN.get(key);
      if (open == null) {
        open = new Open(key);
        OPEN.put(key, open);
      }
      open.claims++;
      open.uses++;
      return new SharedTokenizer(open, afterIdle);
    }
  }

  /** The tokenizer, which may be used until this claim is closed. */
  public TextTokenizer tokenizer() {
    return open.tokenizer;
  }

  /** Gives the claim back; closing twice is harmless. */
  @Override
  public void close() {
    synchronized (OPEN) {
      if (closed) {
        return;
      }
      closed = true;
      open.claims--;
      if (open.claims == 0) {
        long use = open.uses;
        afterIdle.execute(() -> closeIdle(open, use));
      }
    }
  }

  private static void closeIdle(Open open, long use) {
    synchronized (OPEN) {
      if (open.uses == use && OPEN.remove(open.key, open)) {
        try {
          open.tokenizer.close();
        } catch (RuntimeException e) { // No caller is there to get it.
          LOG.error("Cannot close the tokenizer of {}", open.key.model(), e);
        }
      }
    }
  }

  /** Closes at once what nobody has a claim on. */
  static void closeUnclaimed() {
    closeUnclaimed(null);
  }

  private static void closeUnclaimed(Key except) {
    synchronized (OPEN) {
      for (Open open : List.copyOf(OPEN.values())) {
        if (open.claims == 0 && !open.key.equals(except)) {
          OPEN.remove(open.key);
          open.tokenizer.close();
        }
      }
    }
  }

  /** How many are open. */
  static int held() {
    synchronized (OPEN) {
      return OPEN.size();
    }
  }
}
