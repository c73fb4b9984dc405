package io.sparsefill.job;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Oracle: the whole content cut at every LF, in one loop over memory. */
class LinesTest {
  private record Line(long offset, String text) {}

  @TempDir Path folder;
  private final Configuration conf = new Configuration();

  private static List<Line> oracle(byte[] content) {
    List<Line> lines = new ArrayList<>();
    int start = 0;
    for (int i = 0; i <= content.length; i++) {
      if (i < content.length ? content[i] == '\n' : start < content.length) {
        lines.add(
            new Line(start, new String(content, start, i - start, StandardCharsets.ISO_8859_1)));
        start = i + 1;
      }
    }
    return lines;
  }

  private List<Line> read(InputFile file, long start, long end) throws Exception {
    List<Line> lines = new ArrayList<>();
    try (Lines in = Lines.open(conf, new LineSplit(file, start, end, end - start))) {
      for (byte[] line = in.next(); line != null; line = in.next()) {
        lines.add(new Line(in.lineOffset(), new String(line, StandardCharsets.ISO_8859_1)));
      }
      assertThat(in.next()).isNull();
    }
    return lines;
  }

  private InputFile file(String name, byte[] content) throws IOException {
    Path file = Files.write(folder.resolve(name), content);
    return InputFile.list(conf, file.toString()).get(0);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "\n", "a", "a\n", "\n\n\n", "a\nb", "a\r\nb\rc\n\nd", "\na\n", "ab\ncd\nef\n"})
  void everySplitSizeGivesEveryLineOnce(String content) throws Exception {
    byte[] bytes = content.getBytes(StandardCharsets.ISO_8859_1);
    InputFile file = file("small.jsonl", bytes);
    for (int size = 1; size <= bytes.length + 1; size++) {
      List<Line> all = new ArrayList<>();
      for (long start = 0; start < bytes.length; start += size) {
        all.addAll(read(file, start, Math.min(bytes.length, start + size)));
      }
      assertThat(all).as("splits of %d", size).isEqualTo(oracle(bytes));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3})
  void linesLongerThanBufferAndSplits(int seed) throws Exception {
    Random random = new Random(seed);
    ByteArrayOutputStream content = new ByteArrayOutputStream();
    for (int line = 0; line < 40; line++) {
      // Lengths around the 64 KiB buffer as well as short ones.
      int length = random.nextBoolean() ? random.nextInt(20) : 65_530 + random.nextInt(12);
      byte[] bytes = new byte[random.nextInt(6) == 0 ? 3 * length : length];
      random.nextBytes(bytes);
      content.writeBytes(
          new String(bytes, StandardCharsets.ISO_8859_1)
              .replace('\n', '.')
              .getBytes(StandardCharsets.ISO_8859_1));
      content.write('\n');
    }
    byte[] bytes = content.toByteArray();
    InputFile file = file("large.jsonl", bytes);
    for (int size : new int[] {997, 65_536, 100_000, bytes.length}) {
      List<Line> all = new ArrayList<>();
      for (long start = 0; start < bytes.length; start += size) {
        all.addAll(read(file, start, Math.min(bytes.length, start + size)));
      }
      assertThat(all).as("splits of %d", size).isEqualTo(oracle(bytes));
    }
  }

  @Test
  void compressedFilesAreOneSplit() throws Exception {
    byte[] content = "one\ntwo\nthree".getBytes(StandardCharsets.ISO_8859_1);
    Path path = folder.resolve("c.jsonl.gz");
    try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(path))) {
      out.write(content);
    }
    InputFile file = InputFile.list(conf, path.toString()).get(0);
    List<LineSplit> splits = LineSplit.of(conf, List.of(file), 1);
    assertThat(splits).hasSize(1);
    assertThat(read(file, splits.get(0).start(), splits.get(0).end())).isEqualTo(oracle(content));
  }
}
