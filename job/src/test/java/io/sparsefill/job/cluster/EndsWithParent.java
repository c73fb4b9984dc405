package io.sparsefill.job.cluster;

import java.io.IOException;
import java.io.OutputStream;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;

/**
 * Runs another program's {@code main} in this JVM, and ends the JVM when standard input ends. The
 * test that starts it holds the other end of that pipe, which the operating system closes however
 * the test's JVM dies: so no process outlives it.
 */
final class EndsWithParent {
  /** How long shutdown hooks may take, with which Spark's worker ends its executors. */
  private static final long HOOKS_SECONDS = 10;

  private EndsWithParent() {}

  /** Takes the name of a class with a {@code main}, and that one's arguments. */
  public static void main(String[] args) throws ReflectiveOperationException {
    Thread watch = new Thread(EndsWithParent::endWithInput, "ends with parent");
    watch.setDaemon(true);
    watch.start();
    Object arguments = Arrays.copyOfRange(args, 1, args.length);
    Class.forName(args[0]).getMethod("main", String[].class).invoke(null, arguments);
  }

  private static void endWithInput() {
    try {
      System.in.transferTo(OutputStream.nullOutputStream());
    } catch (IOException e) {
      System.err.println("Standard input is broken, which is taken for its end: " + e);
    }
    Thread deadline = new Thread(EndsWithParent::haltLater, "halts");
    deadline.setDaemon(true);
    deadline.start();
    System.exit(1);
  }

  private static void haltLater() {
    try {
      TimeUnit.SECONDS.sleep(HOOKS_SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    Runtime.getRuntime().halt(1);
  }
}
