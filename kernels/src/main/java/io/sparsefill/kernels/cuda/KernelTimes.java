package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.JCudaDriver;

/** Device time of kernels on one stream, from events before and after each. */
final class KernelTimes implements AutoCloseable {
  private final CudaStream stream;
  private final List<Launch> launches = new ArrayList<>();
  private final List<CUevent> events = new ArrayList<>();

  KernelTimes(CudaStream stream) {
    this.stream = stream;
  }

  private record Launch(String kernel, CUevent start, CUevent end) {}

  /** Enqueues a launch between two events. */
  void around(String kernel, Runnable launch) {
    CUevent start = record();
    launch.run();
    launches.add(new Launch(kernel, start, record()));
  }

  private CUevent record() {
    CUevent event = new CUevent();
    check(
        JCudaDriver.cuEventCreate(event, CUevent_flags.CU_EVENT_DEFAULT),
        "create a CUDA event for timing");
    events.add(event);
    check(JCudaDriver.cuEventRecord(event, stream.handle()), "record a CUDA event");
    return event;
  }

  /** Sums by kernel, in the order of first launches; the stream must have come to its end. */
  Map<String, Double> millis() {
    Map<String, Double> sums = new LinkedHashMap<>();
    float[] millis = new float[1];
    for (Launch launch : launches) {
      check(
          JCudaDriver.cuEventElapsedTime(millis, launch.start, launch.end),
          "read the time of the kernel " + launch.kernel);
      sums.merge(launch.kernel, (double) millis[0], Double::sum);
    }
    return sums;
  }

  @Override
  public void close() {
    for (CUevent event : events) {
      check(JCudaDriver.cuEventDestroy(event), "destroy a CUDA event");
    }
  }
}
