package io.sparsefill.kernels.cuda;

import java.util.ArrayList;
import java.util.List;
import java.util.function.LongFunction;
import jcuda.driver.JCudaDriver;

/**
 * What kernels find while nobody waits for them: 64-bit words that they write, and that the host
 * reads later, all at once. A word begins with all bits set, which is {@link #NOTHING}.
 */
final class Findings implements AutoCloseable {
  /** The value of a word that no kernel wrote. */
  static final long NOTHING = -1;

  /** More than a pre-fill takes, some words for each layer; where they run out, one wait more. */
  private static final int WORDS = 4096;

  private final CudaStream stream;
  private final DeviceMemory.Block device;
  private final PinnedBuffer host;
  private final List<Word> unread = new ArrayList<>();
  private final List<Expectation> expectations = new ArrayList<>();

  private record Expectation(Word word, LongFunction<String> complaint) {}

  Findings(DeviceMemory memory, CudaStream stream) {
    this.stream = stream;
    this.device = memory.allocate((long) WORDS * Long.BYTES, "what operators find");
    boolean complete = false;
    try {
      clear(WORDS);
      this.host = new PinnedBuffer(WORDS * Long.BYTES);
      complete = true;
    } finally {
      if (!complete) {
        device.close();
      }
    }
  }

  private void clear(int words) {
    CudaDriver.check(
        JCudaDriver.cuMemsetD8Async(
            device.at(0), (byte) 0xff, (long) words * Long.BYTES, stream.handle()),
        "clear the words that operators write");
  }

  /**
   * Makes sure that so many words can be handed out without reading and clearing those before:
   * kernels that use them are enqueued together.
   */
  void reserve(int words) {
    if (unread.size() + words > WORDS) {
      read();
    }
  }

  /** A word for kernels that are enqueued before the next one is asked for or reserved. */
  Word word() {
    reserve(1);
    Word word = new Word(device.address() + (long) unread.size() * Long.BYTES);
    unread.add(word);
    return word;
  }

  /**
   * A word that {@link #check} looks at.
   *
   * @param complaint what to say about a value that is not {@link #NOTHING}
   */
  Word expectNothing(LongFunction<String> complaint) {
    Word word = word();
    expectations.add(new Expectation(word, complaint));
    return word;
  }

  /** Waits for the stream, and gives every word its value. */
  void read() {
    if (!unread.isEmpty()) {
      host.copyFrom(device, 0, (long) unread.size() * Long.BYTES, 0, stream);
    }
    stream.synchronize("the operators");
    for (int i = 0; i < unread.size(); i++) {
      unread.get(i).found = host.bytes().getLong(i * Long.BYTES);
      unread.get(i).read = true;
    }
    if (!unread.isEmpty()) {
      clear(unread.size());
    }
    unread.clear();
  }

  /**
   * Throws the first thing that was found since the last call, among what is read.
   *
   * @throws ArithmeticException saying what
   */
  void check() {
    List<Expectation> checked = List.copyOf(expectations);
    expectations.clear();
    for (Expectation expectation : checked) {
      if (expectation.word.found != NOTHING) {
        throw new ArithmeticException(expectation.complaint.apply(expectation.word.found));
      }
    }
  }

  @Override
  public void close() {
    try {
      read();
    } finally {
      host.close();
      device.close();
    }
  }

  /** One word. */
  final class Word {
    private final long address;
    private boolean read;
    private long found;

    private Word(long address) {
      this.address = address;
    }

    /** Where a kernel writes it. */
    long address() {
      return address;
    }

    /** What was written, waiting for it if need be. */
    long value() {
      if (!read) {
        Findings.this.read();
      }
      return found;
    }
  }
}
