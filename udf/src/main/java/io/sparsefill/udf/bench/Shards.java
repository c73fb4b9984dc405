package io.sparsefill.udf.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.kernels.HalfFloats;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Writes a model's tensors as bf16 safetensors shards with an index, by all processors. */
final class Shards {
  private static final int ELEMENTS_AT_ONCE = 1 << 20;

  private final Path folder;
  private final List<List<ModelTensor>> shards;

  /**
   * Plans the files.
   *
   * @param shards tensors of each file
   */
  Shards(Path folder, List<List<ModelTensor>> shards) {
    this.folder = folder;
    this.shards = shards;
  }

  /**
   * Writes them.
   *
   * @return bytes of all weights
   */
  long write() throws IOException {
    Map<String, String> places = new LinkedHashMap<>();
    List<Piece> pieces = new ArrayList<>();
    List<FileChannel> files = new ArrayList<>();
    long bytes = 0;
    try {
      for (int i = 0; i < shards.size(); i++) {
        String name = "model-%05d-of-%05d.safetensors".formatted(i + 1, shards.size());
        FileChannel file =
            FileChannel.open(
                folder.resolve(name), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        files.add(file);
        long at = writeHeader(file, shards.get(i));
        for (ModelTensor tensor : shards.get(i)) {
          places.put(tensor.name(), name);
          addPieces(tensor, file, at, pieces);
          at += tensor.size() * Short.BYTES;
          bytes += tensor.size() * Short.BYTES;
        }
      }
      pieces.parallelStream().forEach(Piece::write);
    } finally {
      for (FileChannel file : files) {
        file.close();
      }
    }
    Map<String, Object> index = new LinkedHashMap<>();
    index.put("metadata", Map.of("total_size", bytes));
    index.put("weight_map", places);
    new ObjectMapper().writeValue(folder.resolve("model.safetensors.index.json").toFile(), index);
    return bytes;
  }

  /** Writes a shard's header; returns where its data begins. */
  private static long writeHeader(FileChannel file, List<ModelTensor> tensors) throws IOException {
    Map<String, Object> header = new LinkedHashMap<>();
    long end = 0;
    for (ModelTensor tensor : tensors) {
      long begin = end;
      end += tensor.size() * Short.BYTES;
      Map<String, Object> entry = new LinkedHashMap<>();
      entry.put("dtype", "BF16");
      entry.put(
          "shape",
          tensor.vector()
              ? List.of(tensor.size())
              : List.of(tensor.values().rows(), tensor.values().cols()));
      entry.put("data_offsets", List.of(begin, end));
      header.put(tensor.name(), entry);
    }
    String json = new ObjectMapper().writeValueAsString(header);
    // Data begin at a multiple of 8 bytes, as the format asks for.
    byte[] text = (json + " ".repeat(-json.length() & 7)).getBytes(StandardCharsets.UTF_8);
    ByteBuffer bytes = ByteBuffer.allocate(Long.BYTES + text.length);
    bytes.order(ByteOrder.LITTLE_ENDIAN).putLong(text.length).put(text).flip();
    writeAll(file, bytes, 0);
    return bytes.capacity();
  }

  private static void addPieces(ModelTensor tensor, FileChannel file, long at, List<Piece> pieces) {
    int cols = tensor.values().cols();
    int step = Math.max(1, ELEMENTS_AT_ONCE / cols);
    for (long row = 0; row < tensor.values().rows(); row += step) {
      int rows = (int) Math.min(step, tensor.values().rows() - row);
      pieces.add(new Piece(tensor, row, rows, file, at + row * cols * Short.BYTES));
    }
  }

  private static void writeAll(FileChannel file, ByteBuffer bytes, long at) throws IOException {
    long position = at;
    while (bytes.hasRemaining()) {
      position += file.write(bytes, position);
    }
  }

  /** Some rows of a tensor, and where they go. */
  private record Piece(ModelTensor tensor, long row, int rows, FileChannel file, long at) {
    void write() {
      int count = rows * tensor.values().cols();
      float[] values = new float[count];
      tensor.values().read(row, rows, values, 0);
      ByteBuffer bytes = ByteBuffer.allocate(count * Short.BYTES);
      bytes.order(ByteOrder.LITTLE_ENDIAN);
      for (float value : values) {
        bytes.putShort(HalfFloats.toBf16(value));
      }
      try {
        writeAll(file, bytes.flip(), at);
      } catch (IOException e) {
        throw new UncheckedIOException("Cannot write " + tensor.name() + ": " + e.getMessage(), e);
      }
    }
  }
}
