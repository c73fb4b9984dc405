package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.JCudaDriver;

/** Measures how long stretches of a stream's work take, without waiting for them. */
final class StreamClock implements AutoCloseable {
  private final CudaStream stream;
  private final Deque<CUevent> free = new ArrayDeque<>();
  private final List<Stretch> unread = new ArrayList<>();

  StreamClock(CudaStream stream) {
    this.stream = stream;
  }

  /** A stretch that begins with the work that is enqueued next. */
  Stretch begin() {
    return new Stretch(now());
  }

  private CUevent now() {
    CUevent event = free.poll();
    if (event == null) {
      event = new CUevent();
      check(
          JCudaDriver.cuEventCreate(event, CUevent_flags.CU_EVENT_DEFAULT),
          "create a CUDA event that measures time");
    }
    check(JCudaDriver.cuEventRecord(event, stream.handle()), "record a CUDA event");
    return event;
  }

  /** Reads all stretches that have ended; the stream must have come so far. */
  void read() {
    unread.forEach(Stretch::read);
    unread.clear();
  }

  @Override
  public void close() {
    read();
    for (CUevent event : free) {
      check(JCudaDriver.cuEventDestroy(event), "destroy a CUDA event");
    }
    free.clear();
  }

  /** One stretch. */
  final class Stretch {
    private final CUevent first;
    private CUevent last;
    private double seconds = Double.NaN;

    private Stretch(CUevent first) {
      this.first = first;
    }

    /** Ends it behind the work that was enqueued last. Only the first call counts. */
    void end() {
      if (last == null) {
        last = now();
        unread.add(this);
      }
    }

    /** Its length, waiting for its end. */
    double seconds() {
      end();
      if (Double.isNaN(seconds)) {
        check(JCudaDriver.cuEventSynchronize(last), "wait for a CUDA event");
        read();
        unread.remove(this);
      }
      return seconds;
    }

    private void read() {
      float[] milliseconds = new float[1];
      check(JCudaDriver.cuEventElapsedTime(milliseconds, first, last), "read a CUDA event's time");
      seconds = milliseconds[0] / 1e3;
      free.push(first);
      free.push(last);
    }
  }
}
