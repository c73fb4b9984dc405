package io.sparsefill.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.cpu.OpenBlas;
import io.sparsefill.kernels.cuda.CudaBackend;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Native libraries that do not load, in JVMs of their own, which load them once. */
class NativeLibraryTest {
  private static final String CLASS_PATH =
      System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));

  @TempDir Path folder;

  /** Program of the tests: why the libraries do not load. */
  public static final class Reasons {
    private Reasons() {}

    /** Prints one line for each. */
    public static void main(String[] arguments) {
      System.out.println("CUDA: " + CudaBackend.unavailable().orElse("there"));
      for (int i = 0; i < 2; i++) { // the second time says the same
        try {
          OpenBlas.load();
          System.out.println("OpenBLAS: there");
        } catch (LinkageError e) {
          System.out.println("OpenBLAS: " + e.getMessage());
        }
      }
    }
  }

  private List<String> reasons(String classPath, String temporary, String home) throws Exception {
    Path output = folder.resolve("output");
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Djava.io.tmpdir=" + temporary,
                "-Duser.home=" + home,
                "-cp",
                classPath,
                Reasons.class.getName())
            .redirectError(folder.resolve("log").toFile())
            .redirectOutput(output.toFile())
            .start();
    assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
    return Files.readAllLines(output).stream().filter(line -> line.contains(": ")).toList();
  }

  @Test
  void aJarWithoutThisPlatformsLibraryIsNamed() throws Exception {
    String without =
        Arrays.stream(CLASS_PATH.split(File.pathSeparator))
            .filter(jar -> !jar.endsWith("-x86_64.jar") && !jar.endsWith("-arm64.jar"))
            .collect(Collectors.joining(File.pathSeparator));
    List<String> reasons = reasons(without, folder.toString(), folder.toString());
    assertThat(reasons).hasSize(3);
    assertThat(reasons.get(0))
        .startsWith(
            "CUDA: the CUDA driver does not load: no jar of the class path has lib/libJCudaDriver-")
        .contains("; add org.jcuda:jcuda-natives:")
        .contains(" with classifier linux-");
    assertThat(reasons.get(1))
        .startsWith(
            "OpenBLAS: Cannot load OpenBLAS: no jar of the class path has org/bytedeco/openblas/linux-")
        .contains("; add org.bytedeco:openblas and org.bytedeco:javacpp with classifier linux-");
    assertThat(reasons.get(2)).isEqualTo(reasons.get(1));
  }

  @Test
  void aFolderThatCannotBeWrittenIsNamedWithItsProperty() throws Exception {
    Path file = Files.writeString(folder.resolve("file"), "no folder");
    String temporary = file.resolve("temporary").toString();
    List<String> reasons = reasons(CLASS_PATH, temporary, file.toString());
    assertThat(reasons.get(0))
        .contains("lib/libJCudaDriver-", "cannot be unpacked: cannot write to " + temporary)
        .endsWith("let -Djava.io.tmpdir name a folder that can be written");
    assertThat(reasons.get(1))
        .contains("cannot write to " + file.resolve(".javacpp").resolve("cache"), temporary)
        .endsWith("let -Dorg.bytedeco.javacpp.cachedir name a folder that can be written");
  }

  @Test
  void whatTheSystemLacksComesFirst() {
    NativeLibrary library =
        new NativeLibrary("lib/x.so", "a:b:1", List.of(folder), "-Djava.io.tmpdir");
    UnsatisfiedLinkError error =
        new UnsatisfiedLinkError(
            "Error while loading\n at folder/x.so: libcuda.so.1: cannot open shared object file: No"
                + " such file or directory\n at java.base/x");
    assertThat(library.reason(error, getClass().getClassLoader()))
        .isEqualTo("libcuda.so.1: cannot open shared object file: No such file or directory");
  }

  /** As where the folder's file system does not execute. */
  @Test
  void whatElseTheLoaderSaysIsTold() {
    String there = getClass().getName().replace('.', '/') + ".class";
    NativeLibrary library = new NativeLibrary(there, "a:b:1", List.of(folder), "-Djava.io.tmpdir");
    Throwable error =
        new IllegalStateException(
            "Unexpected", new UnsatisfiedLinkError("failed to map segment from shared object"));
    assertThat(library.reason(error, getClass().getClassLoader()))
        .contains(folder.toString(), "(another folder: -Djava.io.tmpdir), says \"failed to map");
  }

  @Test
  void foldersThatCanBeWritten() throws Exception {
    assertThat(NativeLibrary.unusable(folder.resolve("made"))).isEmpty();
    assertThat(folder.resolve("made")).isEmptyDirectory();
    Path file = Files.writeString(folder.resolve("file"), "no folder");
    assertThat(NativeLibrary.unusable(file).orElseThrow())
        .startsWith("cannot write to " + file + ": ");
  }
}
