package io.sparsefill.udf.text;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.udf.SharedMaterial;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The native library where it cannot load, in JVMs of their own, which load it once. */
class NativeTokenizerTest {
  @TempDir Path folder;

  /** Program of the tests: what opening a tokenizer says. */
  public static final class Opening {
    private Opening() {}

    /** The argument is a model's folder. */
    public static void main(String[] arguments) {
      try (TextTokenizer tokenizer = TextTokenizer.open(Path.of(arguments[0]), BosPolicy.AUTO)) {
        System.out.println("opened: " + tokenizer.description());
      } catch (IllegalStateException e) {
        System.out.println("refused: " + e.getMessage());
      }
    }
  }

  private String open(Path cache, String... options) throws Exception {
    Path output = folder.resolve("output");
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of(options));
    command.addAll(
        List.of(
            "-cp",
            System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
            Opening.class.getName(),
            SharedMaterial.model("needle-2m").toString()));
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .redirectError(folder.resolve("log").toFile())
            .redirectOutput(output.toFile());
    builder.environment().put("DJL_CACHE_DIR", cache.toString());
    Process process = builder.start();
    assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
    return Files.readString(output);
  }

  @Test
  void unpacksToTheFolderThatIsNamed() throws Exception {
    Path cache = folder.resolve("cache");
    assertThat(open(cache)).contains("opened: ");
    assertThat(cache).isNotEmptyDirectory();
  }

  /** DJL's own reason is "Unexpected flavor: cpu". */
  @Test
  void aFolderThatCannotBeWrittenIsNamedWithItsVariable() throws Exception {
    Path cache = Files.writeString(folder.resolve("file"), "no folder");
    assertThat(open(cache))
        .contains("refused: Cannot load the tokenizers library: native/lib/")
        .contains("cannot be unpacked: cannot write to " + cache)
        .contains("let the environment variable DJL_CACHE_DIR name a folder that can be written");
  }

  @Test
  void aPlatformWithoutALibraryIsNamedWithTheJar() throws Exception {
    assertThat(open(folder.resolve("cache"), "-Dos.arch=s390x"))
        .contains(
            "refused: Cannot load the tokenizers library: no jar of the class path has native/lib/")
        .contains("s390x")
        .contains("add ai.djl.huggingface:tokenizers, if it has libraries for ");
  }
}
