package io.sparsefill.kernels;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * A safetensors file of test vectors: a little-endian header length, a JSON header, the data.
 * Written for the tests alone, so that they do not share an error with the product's reader.
 */
final class StoredTensors {
  private final ByteBuffer file;
  private final JsonNode header;
  private final int dataStart;

  StoredTensors(Path path) throws IOException {
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      file = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size());
    }
    file.order(ByteOrder.LITTLE_ENDIAN);
    byte[] json = new byte[Math.toIntExact(file.getLong(0))];
    file.get(8, json);
    header = new ObjectMapper().readTree(json);
    dataStart = 8 + json.length;
  }

  List<String> names() {
    List<String> names = new ArrayList<>();
    header.fieldNames().forEachRemaining(names::add);
    names.remove("__metadata__");
    return names;
  }

  private JsonNode entry(String name) {
    JsonNode entry = header.get(name);
    if (entry == null) {
      throw new IllegalArgumentException("No tensor " + name + " among " + names());
    }
    return entry;
  }

  int[] shape(String name) {
    JsonNode sizes = entry(name).get("shape");
    int[] shape = new int[sizes.size()];
    for (int i = 0; i < shape.length; i++) {
      shape[i] = sizes.get(i).asInt();
    }
    return shape;
  }

  /** All elements of a BF16 or F32 tensor, row-major. */
  float[] floats(String name) {
    ByteBuffer data = data(name);
    String dtype = entry(name).get("dtype").asText();
    int width = dtype.equals("BF16") ? Short.BYTES : Float.BYTES;
    if (!dtype.equals("BF16") && !dtype.equals("F32")) {
      throw new IllegalArgumentException(name + " is " + dtype);
    }
    float[] values = new float[data.remaining() / width];
    for (int i = 0; i < values.length; i++) {
      values[i] =
          width == Float.BYTES
              ? data.getFloat(i * width)
              : Float.intBitsToFloat(data.getShort(i * width) << 16);
    }
    return values;
  }

  /** All elements of an I32 tensor, row-major. */
  int[] ints(String name) {
    if (!entry(name).get("dtype").asText().equals("I32")) {
      throw new IllegalArgumentException(name + " is " + entry(name).get("dtype"));
    }
    ByteBuffer data = data(name);
    int[] values = new int[data.remaining() / Integer.BYTES];
    data.asIntBuffer().get(values);
    return values;
  }

  private ByteBuffer data(String name) {
    JsonNode offsets = entry(name).get("data_offsets");
    int from = offsets.get(0).asInt();
    return file.slice(dataStart + from, offsets.get(1).asInt() - from)
        .order(ByteOrder.LITTLE_ENDIAN);
  }
}
