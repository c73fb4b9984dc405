package io.sparsefill.udf.text;

import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import ai.djl.util.Platform;
import ai.djl.util.Utils;
import io.sparsefill.kernels.NativeLibrary;
import java.util.List;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * One tokenizer of the Rust library behind DJL's JNI binding, at its lowest public level: DJL's own
 * {@code Encoding} would bring a string, a span and five more numbers per token into the heap,
 * where only the ids are wanted. A text is copied twice on its way, by the JVM's UTF-8 conversion
 * and into Rust's string; the heap gets the ids only.
 *
 * <p>Several threads may use it at once; {@link #close} waits for them, because a freed handle
 * would crash the JVM.
 */
final class NativeTokenizer implements AutoCloseable {
  private static final String NAME = "tokenizers";

  private final TokenizersLibrary library;
  private final long handle;
  private final ReadWriteLock lock = new ReentrantReadWriteLock();
  private boolean closed;

  private NativeTokenizer(TokenizersLibrary library, long handle) {
    this.library = library;
    this.handle = handle;
  }

  /**
   * Builds a tokenizer without truncation and padding, whatever its JSON says about them.
   *
   * @throws IllegalStateException if the native library cannot be loaded
   * @throws IllegalArgumentException if the library does not take the JSON
   */
  static NativeTokenizer fromJson(String json) {
    TokenizersLibrary library = load();
    long handle;
    try {
      handle = library.createTokenizerFromString(json);
    } catch (RuntimeException e) { // what the binding throws for every Rust error
      throw new IllegalArgumentException(e.getMessage(), e);
    }
    library.disableTruncation(handle);
    library.disablePadding(handle);
    return new NativeTokenizer(library, handle);
  }

  /**
   * DJL would fetch a library that fits the machine's GPU from its own site and count its users;
   * both are switched off, unless the user's own system properties say otherwise.
   */
  private static TokenizersLibrary load() {
    setIfAbsent("ai.djl.offline", "true");
    setIfAbsent("OPT_OUT_TRACKING", "true");
    setIfAbsent("RUST_FLAVOR", "cpu");
    try {
      LibUtils.checkStatus();
      return TokenizersLibrary.LIB;
    } catch (RuntimeException | LinkageError e) {
      throw new IllegalStateException(
          "Cannot load the tokenizers library: %s; it needs glibc 2.34 or newer"
              .formatted(library().reason(e, LibUtils.class.getClassLoader())),
          e);
    }
  }

  /** Where DJL has it and unpacks it; when that fails it says "Unexpected flavor". */
  private static NativeLibrary library() {
    Platform platform = Platform.detectPlatform(NAME);
    return new NativeLibrary(
        "native/lib/%s/cpu/%s".formatted(platform.getClassifier(), System.mapLibraryName(NAME)),
        "ai.djl.huggingface:tokenizers, if it has libraries for " + platform.getClassifier(),
        List.of(Utils.getEngineCacheDir(NAME)),
        "the environment variable DJL_CACHE_DIR");
  }

  private static void setIfAbsent(String property, String value) {
    if (System.getProperty(property) == null && System.getenv(property) == null) {
      System.setProperty(property, value);
    }
  }

  /**
   * Token ids of a text.
   *
   * @param addSpecialTokens whether the post-processor's special tokens are added
   */
  long[] encode(String text, boolean addSpecialTokens) {
    lock.readLock().lock();
    try {
      checkOpen();
      long encoding = library.encode(handle, text, addSpecialTokens);
      try {
        return library.getTokenIds(encoding);
      } finally {
        library.deleteEncoding(encoding);
      }
    } finally {
      lock.readLock().unlock();
    }
  }

  /** Text of ids; special tokens appear by their names, unknown ids as nothing. */
  String decode(long... ids) {
    lock.readLock().lock();
    try {
      checkOpen();
      return library.decode(handle, ids, false);
    } finally {
      lock.readLock().unlock();
    }
  }

  private void checkOpen() {
    if (closed) {
      throw new IllegalStateException("Cannot use the tokenizer: it is closed");
    }
  }

  /** Frees the native tokenizer once nobody uses it; closing twice is harmless. */
  @Override
  public void close() {
    lock.writeLock().lock();
    try {
      if (!closed) {
        closed = true;
        library.deleteTokenizer(handle);
      }
    } finally {
      lock.writeLock().unlock();
    }
  }
}
