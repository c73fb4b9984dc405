package io.sparsefill.kernels.cuda;

import java.util.Locale;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Who multiplies matrices on the device: cuBLAS or the own kernel. */
enum GemmChoice {
  /** cuBLAS where it loads, the own kernel elsewhere. */
  AUTO,
  /** cuBLAS, or a failure. */
  CUBLAS,
  /** The own kernel. */
  OWN;

  /** The system property that sets it. */
  static final String PROPERTY = "sparsefill.gemm";

  private static final Logger LOG = LoggerFactory.getLogger(GemmChoice.class);

  /**
   * What the system property says; {@link #AUTO} without it.
   *
   * @throws IllegalArgumentException if it says something else
   */
  static GemmChoice ofProperty() {
    String value = System.getProperty(PROPERTY, "auto");
    for (GemmChoice choice : values()) {
      if (choice.text().equals(value)) {
        return choice;
      }
    }
    throw new IllegalArgumentException(
        "Cannot choose who multiplies matrices: %s is '%s'; set it to auto, cublas or own"
            .formatted(PROPERTY, value));
  }

  private String text() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * Opens the choice in the current context, and logs which it is and why.
   *
   * @param own opens the own kernel
   * @throws CudaFailure if cuBLAS is demanded but not there
   */
  CudaGemm open(Supplier<CudaGemm> own) {
    String reason = PROPERTY + "=" + text();
    CudaGemm gemm;
    if (this == OWN) {
      gemm = own.get();
    } else if (this == CUBLAS) {
      gemm = CublasGemm.open();
    } else if (CublasGemm.unavailable().isEmpty()) {
      gemm = CublasGemm.open();
      reason = "it loads";
    } else {
      gemm = own.get();
      reason = "cuBLAS does not load: " + CublasGemm.unavailable().get();
    }
    LOG.info("Matrix products by {}: {}", gemm.name(), reason);
    return gemm;
  }
}
