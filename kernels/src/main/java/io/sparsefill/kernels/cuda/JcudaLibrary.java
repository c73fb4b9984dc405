package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.NativeLibrary;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import jcuda.JCudaVersion;
import jcuda.LibUtils;
import jcuda.driver.JCudaDriver;

/** JCuda's native libraries, which it unpacks to the temporary folder. */
final class JcudaLibrary {
  private static final String TEMPORARY = "java.io.tmpdir";

  private JcudaLibrary() {}

  /**
   * Why one does not load, in one line.
   *
   * @param name as JCuda's classes ask for it
   * @param jar artifact that has it
   */
  static String reason(LinkageError failure, String name, String jar) {
    String version = JCudaVersion.get();
    String file =
        LibUtils.createLibraryFileName(LibUtils.createPlatformLibraryName(name + "-" + version));
    String platform =
        (LibUtils.calculateOS() + "-" + LibUtils.calculateArch()).toLowerCase(Locale.ROOT);
    return new NativeLibrary(
            "lib/" + file,
            "org.jcuda:%s:%s with classifier %s".formatted(jar, version, platform),
            List.of(Path.of(System.getProperty(TEMPORARY))),
            "-D" + TEMPORARY)
        .reason(failure, JCudaDriver.class.getClassLoader());
  }
}
