package io.sparsefill.udf;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** Waits until another thread is parked inside a method of {@link KvExit}. */
final class Parked {
  private static final long LIMIT_SECONDS = 60;

  private Parked() {}

  /**
   * Waits. The JDK has no event for a thread that parks, so its state is looked at every
   * millisecond.
   *
   * @param thread the other thread
   * @param method where it should park
   * @param or ends the wait as well
   */
  static void await(Thread thread, String method, BooleanSupplier or) throws InterruptedException {
    CountDownLatch never = new CountDownLatch(1);
    for (long i = 0; !or.getAsBoolean() && !isIn(thread, method); i++) {
      if (i == LIMIT_SECONDS * 1000) {
        throw new AssertionError(thread + " did not come to " + method);
      }
      never.await(1, TimeUnit.MILLISECONDS);
    }
  }

  private static boolean isIn(Thread thread, String method) {
    boolean waits =
        thread.getState() == Thread.State.WAITING
            || thread.getState() == Thread.State.TIMED_WAITING;
    boolean inside = false;
    for (StackTraceElement frame : thread.getStackTrace()) {
      inside |=
          frame.getClassName().equals(KvExit.class.getName())
              && frame.getMethodName().equals(method);
    }
    return waits && inside;
  }
}
