package io.sparsefill.kernels.bench;

import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.cuda.CudaBackend;
import java.util.LinkedHashMap;
import java.util.Map;

/** What figures depend on besides the code: device, driver and versions. */
public final class Environment {
  private Environment() {}

  /** Of a backend, in a map that may be added to. */
  public static Map<String, String> of(Backend backend) {
    Map<String, String> environment = new LinkedHashMap<>();
    environment.put("device", backend.device());
    if (backend instanceof CudaBackend cuda) {
      environment.putAll(cuda.versions());
    }
    environment.put(
        "Java",
        "%s, %d processors"
            .formatted(Runtime.version(), Runtime.getRuntime().availableProcessors()));
    return environment;
  }
}
