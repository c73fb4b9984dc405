package io.sparsefill.udf.model;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The header of a safetensors file: its length (8 bytes, little-endian), then a JSON object from
 * tensor names to dtype, shape and the half-open byte range behind the header. Everything is
 * checked before a byte of data is trusted: the ranges must fit dtype and shape and cover the rest
 * of the file without a hole or an overlap.
 *
 * @param dataStart position of the first data byte in the file
 * @param tensors entries by name, in the order of their data
 */
record SafetensorsHeader(long dataStart, Map<String, Entry> tensors) {
  private static final int MAX_BYTES = 100_000_000;
  private static final String METADATA = "__metadata__";

  /**
   * One tensor.
   *
   * @param dtype element type
   * @param shape sizes, outermost first; empty for a scalar
   * @param begin first byte, counted from the start of the data
   * @param end byte after the last
   */
  record Entry(StoredDtype dtype, List<Long> shape, long begin, long end) {}

  /**
   * Reads and checks the header.
   *
   * @throws IllegalArgumentException if the file breaks the format, naming the tensor and the
   *     numbers
   */
  static SafetensorsHeader read(FileChannel channel, Path file) throws IOException {
    long fileBytes = channel.size();
    if (fileBytes < 8) {
      throw broken(file, "it has only %d bytes; is the download complete?".formatted(fileBytes));
    }
    long length = bytes(channel, 0, 8).getLong();
    if (length < 2 || length > MAX_BYTES) {
      throw broken(file, "its header would have %d bytes".formatted(length) + " (2 to 100000000)");
    }
    if (length > fileBytes - 8) {
      throw broken(
          file,
          "it is truncated: the header needs %d bytes, the file has %d"
              .formatted(8 + length, fileBytes));
    }
    JsonNode json = parse(bytes(channel, 8, (int) length), file);
    Map<String, Entry> tensors = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> field : json.properties()) {
      if (!field.getKey().equals(METADATA)) {
        tensors.put(field.getKey(), entry(field.getKey(), field.getValue(), file));
      }
    }
    long dataStart = 8 + length;
    return new SafetensorsHeader(dataStart, inOrder(tensors, fileBytes - dataStart, file));
  }

  private static ByteBuffer bytes(FileChannel channel, long from, int count) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(count).order(ByteOrder.LITTLE_ENDIAN);
    while (buffer.hasRemaining()) {
      if (channel.read(buffer, from + buffer.position()) < 0) {
        throw new EOFException("the file ends inside its header");
      }
    }
    return buffer.flip();
  }

  private static JsonNode parse(ByteBuffer header, Path file) throws IOException {
    try {
      JsonNode json = ConfigJson.STRICT.readTree(header.array());
      if (json == null || !json.isObject()) {
        throw broken(file, "its header is not a JSON object");
      }
      return json;
    } catch (JsonProcessingException e) {
      // Duplicate names end here as well
      throw broken(file, "its header is not valid JSON: " + e.getOriginalMessage());
    }
  }

  private static Entry entry(String name, JsonNode json, Path file) {
    StoredDtype dtype = StoredDtype.ofOrNull(json.path("dtype").asText());
    if (dtype == null) {
      throw broken(
          file,
          "tensor '%s' has the unknown dtype %s; accepted: %s"
              .formatted(name, json.path("dtype"), StoredDtype.names()));
    }
    List<Long> shape = longs(json.path("shape"));
    List<Long> offsets = longs(json.path("data_offsets"));
    if (shape == null || offsets == null || offsets.size() != 2) {
      throw broken(
          file,
          "tensor '%s' has shape %s and data_offsets %s"
              .formatted(name, json.path("shape"), json.path("data_offsets")));
    }
    long begin = offsets.get(0);
    long end = offsets.get(1);
    long bytes = dtype.bytes();
    try {
      for (long size : shape) {
        bytes = Math.multiplyExact(bytes, size);
      }
    } catch (ArithmeticException e) {
      throw broken(file, "tensor '%s' of shape %s is too large".formatted(name, shape));
    }
    if (end - begin != bytes) {
      throw broken(
          file,
          "tensor '%s' of dtype %s and shape %s needs %d bytes, its data_offsets %d to %d hold %d"
              .formatted(name, dtype, shape, bytes, begin, end, end - begin));
    }
    return new Entry(dtype, shape, begin, end);
  }

  /** A list of non-negative integers, or null if the node is something else. */
  private static List<Long> longs(JsonNode array) {
    if (!array.isArray()) {
      return null;
    }
    List<Long> values = new ArrayList<>();
    for (JsonNode value : array) {
      if (!value.isIntegralNumber() || !value.canConvertToLong() || value.asLong() < 0) {
        return null;
      }
      values.add(value.asLong());
    }
    return List.copyOf(values);
  }

  private static Map<String, Entry> inOrder(Map<String, Entry> tensors, long dataBytes, Path file) {
    List<Map.Entry<String, Entry>> sorted = new ArrayList<>(tensors.entrySet());
    sorted.sort(
        Comparator.comparingLong((Map.Entry<String, Entry> t) -> t.getValue().begin())
            .thenComparingLong(t -> t.getValue().end()));
    Map<String, Entry> ordered = new LinkedHashMap<>();
    long expected = 0;
    for (Map.Entry<String, Entry> tensor : sorted) {
      long begin = tensor.getValue().begin();
      if (begin != expected) {
        throw broken(
            file,
            "the data of tensor '%s' begins at byte %d, %s at %d"
                .formatted(
                    tensor.getKey(),
                    begin,
                    begin < expected
                        ? "inside another tensor that ends"
                        : "after a hole that begins",
                    expected));
      }
      expected = tensor.getValue().end();
      ordered.put(tensor.getKey(), tensor.getValue());
    }
    if (expected > dataBytes) {
      throw broken(
          file,
          "it is truncated: its tensors need %d bytes of data, the file has %d; is the download complete?"
              .formatted(expected, dataBytes));
    }
    if (expected < dataBytes) {
      throw broken(
          file, "%d bytes after the last tensor belong to none".formatted(dataBytes - expected));
    }
    return ordered;
  }

  private static IllegalArgumentException broken(Path file, String reason) {
    return new IllegalArgumentException("Cannot read safetensors file " + file + ": " + reason);
  }
}
