package io.sparsefill.kernels.cpu;

import java.nio.file.Files;
import java.nio.file.Path;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.openblas.global.openblas_nolapack;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Single-precision matrix products by OpenBLAS. It is set to one thread: a backend's own threads
 * split the rows, so that several tasks in one JVM do not wait for each other.
 */
public final class OpenBlas {
  private static final Logger LOG = LoggerFactory.getLogger(OpenBlas.class);
  private static final int ROW_MAJOR = openblas_nolapack.CblasRowMajor;

  static {
    Loader.load(openblas_nolapack.class);
    openblas_nolapack.blas_set_num_threads(1);
    String hint = hint();
    if (!hint.isEmpty()) {
      LOG.warn(hint);
    }
  }

  private OpenBlas() {}

  /** out[m, n] = a[m, k] · w[n, k]^T + beta * out; leading dimensions are k, k and n. */
  static void product(
      int m, int n, int k, FloatPointer a, FloatPointer w, float beta, FloatPointer out) {
    openblas_nolapack.cblas_sgemm(
        ROW_MAJOR,
        openblas_nolapack.CblasNoTrans,
        openblas_nolapack.CblasTrans,
        m,
        n,
        k,
        1f,
        a,
        k,
        w,
        k,
        beta,
        out,
        n);
  }

  /**
   * Loads the library; throws {@link UnsatisfiedLinkError} with the loader's reason when it cannot.
   */
  public static void load() {
    LOG.debug("OpenBLAS is loaded");
  }

  /**
   * What to change when OpenBLAS runs kernels that are slower than this CPU allows, or an empty
   * string. OpenBLAS 0.3.31 does not know some CPUs with AVX-512 (AMD family 26) and takes its AVX2
   * kernels there, at half the speed.
   */
  public static String hint() {
    Path cpuInfo = Path.of("/proc/cpuinfo");
    if (System.getenv("OPENBLAS_CORETYPE") != null || !Files.isReadable(cpuInfo)) {
      return "";
    }
    try {
      String text = Files.readString(cpuInfo);
      boolean unknown =
          text.contains("AuthenticAMD")
              && text.matches("(?s).*cpu family\\s*: (2[6-9]|[3-9]\\d)\\n.*");
      return unknown && text.contains(" avx512f ")
          ? "OpenBLAS does not know this CPU and runs its AVX2 kernels: set OPENBLAS_CORETYPE=SkylakeX in the environment"
              + " (spark.executorEnv.OPENBLAS_CORETYPE on executors) to double the speed of matrix products"
          : "";
    } catch (java.io.IOException e) {
      return "Cannot read " + cpuInfo + " to see which OpenBLAS kernels fit: " + e.getMessage();
    }
  }
}
