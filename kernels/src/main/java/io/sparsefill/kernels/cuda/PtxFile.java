package io.sparsefill.kernels.cuda;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One PTX resource, made from the {@code .cu} file of the same name by {@code build-ptx.sh}. The
 * tables which the kernels publish for their launchers are read from its text, so that they are
 * known without a device.
 *
 * @param name the stage, as {@code rows}
 * @param text the whole file
 */
record PtxFile(String name, String text) {
  static PtxFile read(String name) {
    try (InputStream in = PtxFile.class.getResourceAsStream(name + ".ptx")) {
      if (in == null) {
        throw new IllegalStateException(
            "Cannot find the kernels %s.ptx in the jar; make them with build-ptx.sh"
                .formatted(name));
      }
      return new PtxFile(name, new String(in.readAllBytes(), StandardCharsets.US_ASCII));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * A table of ints in constant memory. nvcc writes its bytes or its words, and leaves zeros at the
   * end out.
   *
   * @throws IllegalStateException if the file does not have it
   */
  int[] table(String table) {
    Matcher found =
        Pattern.compile(
                "\\.const \\.align 4 \\.(b8|b32|u32|s32) "
                    + Pattern.quote(table)
                    + "\\[(\\d+)\\](?: = \\{([^}]*)\\})?;")
            .matcher(text);
    if (!found.find()) {
      throw new IllegalStateException("Cannot find the table %s in %s.ptx".formatted(table, name));
    }
    int size = Integer.parseInt(found.group(2));
    int[] numbers =
        found.group(3) == null
            ? new int[0]
            : Arrays.stream(found.group(3).split(","))
                .map(String::strip)
                .mapToInt(Integer::parseInt)
                .toArray();
    if (!found.group(1).equals("b8")) {
      return Arrays.copyOf(numbers, size);
    }
    int[] words = new int[size / Integer.BYTES];
    for (int i = 0; i < numbers.length; i++) {
      words[i / 4] |= (numbers[i] & 0xff) << 8 * (i % 4);
    }
    return words;
  }
}
