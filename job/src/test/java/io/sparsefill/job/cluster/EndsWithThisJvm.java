package io.sparsefill.job.cluster;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;

/**
 * A Java agent that ends its JVM when another process has ended. Every JVM that a test starts, and
 * all that those start, gets it by an environment variable: so none outlives the test's JVM,
 * however that one dies.
 */
public final class EndsWithThisJvm {
  /** The environment variable that hands options to a JVM, and to those that it starts. */
  public static final String VARIABLE = "JAVA_TOOL_OPTIONS";

  private EndsWithThisJvm() {}

  /**
   * The value of {@link #VARIABLE} that binds JVMs to this one.
   *
   * @param folder gets the agent's jar
   */
  public static String options(Path folder) throws IOException {
    return options(folder, ProcessHandle.current().pid());
  }

  /** The same for another process. */
  static String options(Path folder, long pid) throws IOException {
    Manifest manifest = new Manifest();
    manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
    manifest.getMainAttributes().putValue("Premain-Class", EndsWithThisJvm.class.getName());
    String entry = EndsWithThisJvm.class.getName().replace('.', '/') + ".class";
    Path jar = folder.resolve("ends-with-" + pid + ".jar");
    if (Files.notExists(jar)) {
      try (OutputStream file = Files.newOutputStream(jar);
          JarOutputStream out = new JarOutputStream(file, manifest);
          InputStream in = EndsWithThisJvm.class.getResourceAsStream("/" + entry)) {
        out.putNextEntry(new JarEntry(entry));
        in.transferTo(out);
      }
    }
    return "-javaagent:" + jar + "=" + pid;
  }

  /** Called by the JVM before its program, with the process to wait for. */
  public static void premain(String pid) {
    Optional<ProcessHandle> other = ProcessHandle.of(Long.parseLong(pid));
    if (other.isEmpty()) {
      Runtime.getRuntime().halt(1);
    }
    other.get().onExit().thenRun(() -> Runtime.getRuntime().halt(1));
  }
}
