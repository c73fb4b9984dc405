package io.sparsefill.job;

import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.TextTokenizer;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * A claim on this JVM's one tokenizer of a model; opening one takes a second for large
 * vocabularies, and every task needs it. It stays open when the last claim is closed, for the next
 * task, until another model's is asked for or the JVM ends.
 */
public final class SharedTokenizer implements AutoCloseable {
  private static final Map<Key, Open> OPEN = new HashMap<>();

  static {
    Runtime.getRuntime()
        .addShutdownHook(new Thread(() -> closeUnclaimed(null), "sparsefill-close-tokenizers"));
  }

  private final Open open;
  private boolean closed;

  private SharedTokenizer(Open open) {
    this.open = open;
  }

  private record Key(String model, BosPolicy bos) {}

  private static final class Open {
    final TextTokenizer tokenizer;
    int claims;

    Open(TextTokenizer tokenizer) {
      this.tokenizer = tokenizer;
    }
  }

  /**
   * Claims the tokenizer of a model, and opens it if it is not open.
   *
   * @param model folder of the checkpoint
   */
  public static SharedTokenizer acquire(String model, BosPolicy bos) {
    synchronized (OPEN) {
      Key key = new Key(model, bos);
      closeUnclaimed(key);
      Open open = OPEN.get(key);
      if (open == null) {
        open = new Open(TextTokenizer.open(Path.of(model), bos));
        OPEN.put(key, open);
      }
      open.claims++;
      return new SharedTokenizer(open);
    }
  }

  /** The tokenizer, which may be used until this claim is closed. */
  public TextTokenizer tokenizer() {
    return open.tokenizer;
  }

  /** Gives the claim back. */
  @Override
  public void close() {
    synchronized (OPEN) {
      if (!closed) {
        closed = true;
        open.claims--;
      }
    }
  }

  private static void closeUnclaimed(Key except) {
    synchronized (OPEN) {
      OPEN.entrySet()
          .removeIf(
              entry -> {
                boolean close = entry.getValue().claims == 0 && !entry.getKey().equals(except);
                if (close) {
                  entry.getValue().tokenizer.close();
                }
                return close;
              });
    }
  }
}
