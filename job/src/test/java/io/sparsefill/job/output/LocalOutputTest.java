package io.sparsefill.job.output;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.nio.channels.ClosedChannelException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Oracle: the same bytes given to the JDK's own stream. */
class LocalOutputTest {
  @TempDir Path folder;

  @Test
  void piecesOfAllSizesComeInOrder() throws Exception {
    Random random = new Random(3);
    ByteArrayOutputStream expected = new ByteArrayOutputStream();
    Path file = folder.resolve("a/b/file");
    LocalOutput output = LocalOutput.create(file);
    try (output) {
      for (int size : new int[] {0, 1, 8192, 262_143, 262_144, 262_145, 1_000_003, 7}) {
        byte[] bytes = new byte[size + 5];
        random.nextBytes(bytes);
        output.write(bytes, 3, size);
        expected.write(bytes, 3, size);
        output.write(size);
        expected.write(size);
        assertThat(output.getPos()).isEqualTo(expected.size());
      }
      output.flush();
      assertThat(Files.size(file)).isEqualTo(expected.size());
      output.write(9);
      expected.write(9);
    }
    output.close(); // a second time does nothing
    assertThat(Files.readAllBytes(file)).isEqualTo(expected.toByteArray());
    output.write(1);
    assertThatThrownBy(output::flush).isInstanceOf(ClosedChannelException.class);
  }

  @Test
  void aFileThatIsThereStays() throws Exception {
    Path file = Files.writeString(folder.resolve("file"), "old");
    assertThatThrownBy(() -> LocalOutput.create(file))
        .isInstanceOf(FileAlreadyExistsException.class);
    assertThat(file).hasContent("old");
  }
}
