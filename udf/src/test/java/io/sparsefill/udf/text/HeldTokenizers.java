package io.sparsefill.udf.text;

/** The tokenizers that this JVM holds, for tests of other packages. */
public final class HeldTokenizers {
  private HeldTokenizers() {}

  /** How many are open. */
  public static int count() {
    return SharedTokenizer.held();
  }

  /** Closes those that nobody has a claim on. */
  public static void closeUnclaimed() {
    SharedTokenizer.closeUnclaimed();
  }
}
