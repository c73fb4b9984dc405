package io.sparsefill.job.run;

/**
 * How many threads of a task write the kv table ({@code --writer-threads}); each holds a row group
 * and a row in memory, and has files of its own.
 *
 * @param asked 1 to {@value #MOST}, or 0: by the backend and the task's cores
 */
public record WriterThreads(int asked) {
  /** Beyond this no disk is faster. */
  static final int MOST = 64;

  /** Not more by itself: they encode several GB/s, and the files become many. */
  private static final int MOST_AUTO = 8;

  private static final String AUTO = "auto";

  /**
   * Reads the option's value.
   *
   * @throws IllegalArgumentException unless it is {@code auto} or a number of threads
   */
  static WriterThreads of(String text) {
    if (text.equals(AUTO)) {
      return new WriterThreads(0);
    }
    if (text.matches("[1-9]\\d?") && Integer.parseInt(text) <= MOST) {
      return new WriterThreads(Integer.parseInt(text));
    }
    throw new IllegalArgumentException("accepted is auto, or a number from 1 to " + MOST);
  }

  /**
   * Their number in a task. On a GPU its cores have little else to do; on the CPU the engine needs
   * them, and makes less than one thread writes.
   *
   * @param backend cpu or cuda
   * @param cores of the task
   */
  int inTask(String backend, int cores) {
    if (asked > 0) {
      return asked;
    }
    return backend.equals("cuda") ? Math.max(1, Math.min(cores, MOST_AUTO)) : 1;
  }
}
