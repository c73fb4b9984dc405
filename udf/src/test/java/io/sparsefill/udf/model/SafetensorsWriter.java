package io.sparsefill.udf.model;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Writes safetensors files for tests, tensor by tensor in the order of the calls. */
public final class SafetensorsWriter {
  private final Map<String, Object> header = new LinkedHashMap<>();
  private final ByteArrayOutputStream data = new ByteArrayOutputStream();

  /** Starts a file with the metadata that transformers writes. */
  public SafetensorsWriter() {
    header.put("__metadata__", Map.of("format", "pt"));
  }

  /**
   * Adds a BF16 tensor; the lower half of every value's bits is cut off, which keeps values that
   * came from BF16.
   */
  public SafetensorsWriter bf16(String name, List<Long> shape, float[] values) {
    ByteBuffer bytes = little(2 * values.length);
    for (float value : values) {
      bytes.putShort((short) (Float.floatToRawIntBits(value) >>> 16));
    }
    return raw(name, "BF16", shape, bytes.array());
  }

  /** Adds an F32 tensor. */
  public SafetensorsWriter f32(String name, List<Long> shape, float[] values) {
    ByteBuffer bytes = little(4 * values.length);
    for (float value : values) {
      bytes.putFloat(value);
    }
    return raw(name, "F32", shape, bytes.array());
  }

  /** Adds a tensor as it is, right or wrong. */
  public SafetensorsWriter raw(String name, String dtype, List<Long> shape, byte[] bytes) {
    header.put(
        name,
        Map.of(
            "dtype",
            dtype,
            "shape",
            shape,
            "data_offsets",
            List.of(data.size(), data.size() + bytes.length)));
    data.writeBytes(bytes);
    return this;
  }

  /** Writes the file. */
  public void write(Path file) throws IOException {
    write(file, new ObjectMapper().writeValueAsString(header), data.toByteArray());
  }

  /** Writes a file with a header of one's own. */
  static void write(Path file, String header, byte[] data) throws IOException {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    try (OutputStream out = Files.newOutputStream(file)) {
      out.write(little(8).putLong(json.length).array());
      out.write(json);
      out.write(data);
    }
  }

  private static ByteBuffer little(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
