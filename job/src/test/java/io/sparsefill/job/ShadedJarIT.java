package io.sparsefill.job;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * What the jar for spark-submit holds: all that Spark does not bring, and nothing that it does.
 * Runs after `package`, on the jar which was just built and the class path of Spark which Maven
 * wrote beside it.
 */
class ShadedJarIT {
  private static final Set<String> OUR_ROOTS =
      Set.of("io/sparsefill/", "org/bytedeco/", "jcuda/", "ai/djl/", "com/sun/jna/", "picocli/");

  private static Set<String> entries;

  @BeforeAll
  static void listTheShadedJar() throws IOException {
    entries = entriesOf(Path.of(System.getProperty("sparsefill.shadedJar")));
  }

  @Test
  void holdsNoClassThatSparkBrings() throws IOException {
    var twice = new TreeMap<String, String>(); // class -> the jar of Spark that has it too
    String classPath = Files.readString(Path.of(System.getProperty("sparsefill.sparkClasspath")));
    for (String jar : classPath.strip().split(File.pathSeparator, -1)) {
      for (String entry : entriesOf(Path.of(jar))) {
        if (isClass(entry) && entries.contains(entry)) {
          twice.put(entry, jar);
        }
      }
    }
    assertThat(twice).as("classes of the shaded jar which Spark brings as well").isEmpty();
  }

  @Test
  void holdsOurLibrariesOnly() {
    Set<String> strangers =
        entries.stream()
            .filter(ShadedJarIT::isClass)
            .filter(entry -> OUR_ROOTS.stream().noneMatch(entry::startsWith))
            .collect(Collectors.toCollection(TreeSet::new));
    assertThat(strangers)
        .as("classes outside of %s: extend the list or exclude the library", OUR_ROOTS)
        .isEmpty();
  }

  @Test
  void holdsNativesAndServices() {
    assertThat(
            missing(
                "org/bytedeco/openblas/linux-x86_64/libjniopenblas.so",
                "org/bytedeco/javacpp/linux-x86_64/libjnijavacpp.so",
                "lib/libJCudaDriver-12.6.0-linux-x86_64.so",
                "lib/libJCublas2-12.6.0-linux-x86_64.so",
                "io/sparsefill/kernels/cuda/attention.ptx",
                "com/sun/jna/linux-x86-64/libjnidispatch.so",
                "native/lib/linux-x86_64/cpu/libtokenizers.so",
                "native/lib/tokenizers.properties",
                "META-INF/services/ai.djl.engine.EngineProvider"))
        .isEmpty();
  }

  /** Without them Scala's reflection fails with "Cannot find a SparkSession implementation". */
  @Test
  void keepsDirectoryEntries() {
    assertThat(missing("META-INF/", "io/", "io/sparsefill/", "io/sparsefill/job/")).isEmpty();
  }

  private static Set<String> missing(String... wanted) {
    var missing = new TreeSet<>(Set.of(wanted));
    missing.removeAll(entries);
    return missing;
  }

  private static boolean isClass(String entry) {
    return entry.endsWith(".class") && !entry.endsWith("module-info.class");
  }

  private static Set<String> entriesOf(Path jar) throws IOException {
    try (var file = new JarFile(jar.toFile())) {
      return file.stream().map(JarEntry::getName).collect(Collectors.toSet());
    }
  }
}
