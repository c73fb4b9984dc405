package io.sparsefill.udf;

import io.sparsefill.kernels.cuda.CudaBackend;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.apache.spark.TaskContext;
import org.apache.spark.resource.ResourceInformation;

/**
 * Which GPU a task computes on: the one that Spark gave it ({@code
 * spark.task.resource.gpu.amount}), else the one whose CUDA context is current in its thread, as
 * the RAPIDS Accelerator leaves it, else the first.
 */
public final class TaskGpu {
  private static final String RESOURCE = "gpu";

  private TaskGpu() {}

  /** The ordinal, among the devices that this process sees, for the calling thread's task. */
  static int ordinal() {
    TaskContext task = TaskContext.get();
    OptionalInt given = task == null ? OptionalInt.empty() : of(task.resourcesJMap());
    return given.isPresent() ? given.getAsInt() : CudaBackend.currentDevice().orElse(0);
  }

  /**
   * The ordinal, among the devices that this process sees, of the first GPU among the resources
   * that Spark gave to a task or an executor; empty when there is none.
   *
   * @throws IllegalArgumentException if the process does not see it
   */
  public static OptionalInt of(Map<String, ResourceInformation> resources) {
    ResourceInformation gpu = resources.get(RESOURCE);
    return gpu == null || gpu.addresses().length == 0
        ? OptionalInt.empty()
        : OptionalInt.of(
            ordinal(
                gpu.addresses()[0], System.getenv("CUDA_VISIBLE_DEVICES"), CudaBackend.devices()));
  }

  /**
   * CUDA counts the visible devices from 0, while a discovery script gives what nvidia-smi shows:
   * physical indices or UUIDs, whatever {@code CUDA_VISIBLE_DEVICES} leaves of them.
   *
   * @param address that Spark gave to the task
   * @param visible {@code CUDA_VISIBLE_DEVICES}, or null when it is not set
   * @param devices how many the process sees
   * @throws IllegalArgumentException if the address names none of them
   */
  static int ordinal(String address, String visible, int devices) {
    if (devices == 1) {
      return 0; // in a container of one GPU its address may be the host's
    }
    if (visible != null && !visible.isBlank()) {
      List<String> listed = List.of(visible.strip().split("\\s*,\\s*"));
      for (int i = 0; i < Math.min(devices, listed.size()); i++) {
        if (isSame(listed.get(i), address)) {
          return i;
        }
      }
    } else if (address.matches("\\d{1,9}") && Integer.parseInt(address) < devices) {
      return Integer.parseInt(address);
    }
    throw new IllegalArgumentException(
        "Cannot tell which GPU is \"%s\", which Spark gave to the task: the process sees %d, CUDA_VISIBLE_DEVICES is %s; let the discovery script print the same indices or UUIDs, or show one GPU to each executor"
            .formatted(address, devices, visible == null ? "not set" : "\"" + visible + "\""));
  }

  /** CUDA takes UUIDs by any beginning that is theirs alone. */
  private static boolean isSame(String listed, String address) {
    return listed.equals(address) || (listed.startsWith("GPU-") && address.startsWith(listed));
  }
}
