package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import jcuda.driver.JCudaDriver;

/** Versions of driver and libraries, for figures that depend on them. */
final class CudaVersions {
  private static final Path DRIVER = Path.of("/proc/driver/nvidia/version");
  private static final Pattern VERSION = Pattern.compile("\\b\\d{3,}\\.\\d+(\\.\\d+)?\\b");
  private static final String JCUDA = "/META-INF/maven/org.jcuda/jcuda/pom.properties";

  private CudaVersions() {}

  /**
   * Reads them.
   *
   * @param products who multiplies matrices
   */
  static Map<String, String> read(String products) {
    int[] cuda = new int[1];
    check(JCudaDriver.cuDriverGetVersion(cuda), "read the driver's CUDA version");
    Map<String, String> versions = new LinkedHashMap<>();
    versions.put(
        "driver", "%s (CUDA %d.%d)".formatted(driver(), cuda[0] / 1000, cuda[0] % 1000 / 10));
    versions.put("JCuda", jcuda());
    versions.put("products", products);
    return versions;
  }

  /** The kernel module's version: the driver API tells only which CUDA it is made for. */
  private static String driver() {
    try {
      Matcher version = VERSION.matcher(Files.readString(DRIVER));
      return version.find() ? version.group() : "unknown: none in " + DRIVER;
    } catch (IOException e) {
      return "unknown: cannot read " + DRIVER;
    }
  }

  private static String jcuda() {
    try (InputStream file = JCudaDriver.class.getResourceAsStream(JCUDA)) {
      if (file == null) {
        return "unknown: its jar was repacked without " + JCUDA;
      }
      Properties properties = new Properties();
      properties.load(file);
      return properties.getProperty("version", "unknown: none in " + JCUDA);
    } catch (IOException e) {
      return "unknown: " + e;
    }
  }
}
