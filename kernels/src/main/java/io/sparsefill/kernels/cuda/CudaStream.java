package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUstream;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;

/**
 * A queue of device work that does not wait for the default stream, which others in the JVM use.
 */
final class CudaStream implements AutoCloseable {
  private final CUstream handle = new CUstream();
  private KernelTimes times;

  CudaStream() {
    this(0);
  }

  private CudaStream(int priority) {
    check(
        JCudaDriver.cuStreamCreateWithPriority(
            handle, CUstream_flags.CU_STREAM_NON_BLOCKING, priority),
        "create a CUDA stream");
  }

  /** A stream whose kernels start before those of other streams that wait for the device. */
  static CudaStream urgent() {
    int[] least = new int[1];
    int[] greatest = new int[1];
    check(
        JCudaDriver.cuCtxGetStreamPriorityRange(least, greatest),
        "read the priorities of CUDA streams");
    return new CudaStream(greatest[0]);
  }

  CUstream handle() {
    return handle;
  }

  /** Waits until all work of the stream is done; errors of kernels come up here. */
  void synchronize(String what) {
    check(JCudaDriver.cuStreamSynchronize(handle), "finish " + what);
  }

  /** Takes the time of every kernel from now on; null ends that. */
  void take(KernelTimes times) {
    this.times = times;
  }

  /** Enqueues a kernel's launch. */
  void launch(String kernel, Runnable launch) {
    if (times == null) {
      launch.run();
    } else {
      times.around(kernel, launch);
    }
  }

  /** Marks this point of the stream in an event. */
  void record(Event event) {
    check(JCudaDriver.cuEventRecord(event.handle, handle), "record a CUDA event");
  }

  /** Lets later work of this stream wait for an event as it was recorded last. */
  void await(Event event) {
    check(JCudaDriver.cuStreamWaitEvent(handle, event.handle, 0), "wait for a CUDA event");
  }

  @Override
  public void close() {
    check(JCudaDriver.cuStreamDestroy(handle), "destroy a CUDA stream");
  }

  /**
   * A point in a stream that another one, or a thread, can wait for. Before it is recorded nothing
   * waits.
   */
  static final class Event implements AutoCloseable {
    private final CUevent handle = new CUevent();

    Event() {
      // A thread that waits sleeps: CPU threads have other work than to look at a device.
      check(
          JCudaDriver.cuEventCreate(
              handle, CUevent_flags.CU_EVENT_DISABLE_TIMING | CUevent_flags.CU_EVENT_BLOCKING_SYNC),
          "create a CUDA event");
    }

    /** Lets the calling thread wait until the device has come this far. */
    void synchronize(String what) {
      check(JCudaDriver.cuEventSynchronize(handle), "finish " + what);
    }

    @Override
    public void close() {
      check(JCudaDriver.cuEventDestroy(handle), "destroy a CUDA event");
    }
  }
}
