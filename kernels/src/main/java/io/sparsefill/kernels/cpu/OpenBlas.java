package io.sparsefill.kernels.cpu;

import io.sparsefill.kernels.NativeLibrary;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
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
  private static final Set<String> WITH_AVX512 = Set.of("skylakex", "cooperlake", "sapphirerapids");
  private static final int ROW_MAJOR = openblas_nolapack.CblasRowMajor;

  /** Why it did not load, or null. */
  private static final String FAILURE = open();

  private OpenBlas() {}

  private static String open() {
    try {
      Loader.load(openblas_nolapack.class);
    } catch (LinkageError e) {
      return library().reason(e, Loader.class.getClassLoader());
    }
    openblas_nolapack.blas_set_num_threads(1);
    String hint = hint();
    if (!hint.isEmpty()) {
      LOG.warn(hint);
    }
    return null;
  }

  /** Where JavaCPP has it and unpacks it, one folder after the other. */
  private static NativeLibrary library() {
    String property = "org.bytedeco.javacpp.cachedir";
    String platform = Loader.getPlatform();
    List<Path> folders = new ArrayList<>();
    if (System.getProperty(property) != null) {
      folders.add(Path.of(System.getProperty(property)));
    }
    folders.add(Path.of(System.getProperty("user.home"), ".javacpp", "cache"));
    folders.add(Path.of(System.getProperty("java.io.tmpdir")));
    return new NativeLibrary(
        "org/bytedeco/openblas/%s/%s"
            .formatted(platform, System.mapLibraryName("jniopenblas_nolapack")),
        "org.bytedeco:openblas and org.bytedeco:javacpp with classifier " + platform,
        folders,
        "-D" + property);
  }

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
   * Loads the library.
   *
   * @throws UnsatisfiedLinkError saying why it cannot be loaded, and what to change
   */
  public static void load() {
    if (FAILURE != null) {
      throw new UnsatisfiedLinkError("Cannot load OpenBLAS: " + FAILURE);
    }
  }

  /**
   * What to change when the environment holds OpenBLAS back on this CPU, or an empty string: a
   * {@code OPENBLAS_CORETYPE} of a core without AVX-512, which some images preset, halves its speed
   * on CPUs that have it.
   */
  public static String hint() {
    String core = System.getenv("OPENBLAS_CORETYPE");
    Path cpuInfo = Path.of("/proc/cpuinfo");
    if (core == null || WITH_AVX512.contains(core.toLowerCase(Locale.ROOT))) {
      return "";
    }
    if (!Files.isReadable(cpuInfo)) {
      return "";
    }
    try {
      return Files.readString(cpuInfo).contains(" avx512f ")
          ? "OPENBLAS_CORETYPE=%s in the environment keeps OpenBLAS from this CPU's AVX-512: unset it to double the speed of matrix products"
              .formatted(core)
          : "";
    } catch (IOException e) {
      return "Cannot read " + cpuInfo + " to see which OpenBLAS kernels fit: " + e.getMessage();
    }
  }
}
