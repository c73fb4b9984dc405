package io.sparsefill.job.export;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparsefill.kernels.KvDtype;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/**
 * Writes one safetensors file (format: github.com/huggingface/safetensors) from beginning to end:
 * the header's length (8 bytes, little-endian), the header as JSON, filled up with spaces to a
 * multiple of 8, and the tensors' data without gaps, which come in any number of pieces.
 */
final class SafetensorsFile implements AutoCloseable {
  private final OutputStream out;
  private final List<Tensor> tensors;
  private final long bytes;
  private long written;

  /**
   * One tensor.
   *
   * @param name its name
   * @param dtype as the format names it, such as BF16
   * @param elementBytes bytes of one element
   * @param shape outermost size first
   */
  record Tensor(String name, String dtype, int elementBytes, List<Long> shape) {
    /** A tensor of stored keys or values. */
    static Tensor of(String name, KvDtype dtype, List<Long> shape) {
      String label = ElementTypes.safetensors(dtype);
      return new Tensor(name, label, dtype.bytes(), shape);
    }

    long bytes() {
      return shape.stream().reduce((long) elementBytes, Math::multiplyExact);
    }
  }

  /**
   * Writes the header.
   *
   * @param out closed with this
   * @param metadata any names and values
   * @param tensors in the order of their data
   */
  SafetensorsFile(OutputStream out, Map<String, String> metadata, List<Tensor> tensors)
      throws IOException {
    this.out = out;
    this.tensors = List.copyOf(tensors);
    this.bytes = tensors.stream().mapToLong(Tensor::bytes).sum();
    byte[] header = header(metadata, tensors);
    ByteBuffer length = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    int filled = (header.length + 7) / 8 * 8;
    out.write(length.putLong(filled).array());
    out.write(header);
    out.write(" ".repeat(filled - header.length).getBytes(StandardCharsets.US_ASCII));
  }

  private static byte[] header(Map<String, String> metadata, List<Tensor> tensors)
      throws IOException {
    ObjectMapper mapper = new ObjectMapper();
    ObjectNode json = mapper.createObjectNode();
    ObjectNode names = json.putObject("__metadata__");
    metadata.forEach(names::put);
    long begin = 0;
    for (Tensor tensor : tensors) {
      ObjectNode entry = json.putObject(tensor.name());
      entry.put("dtype", tensor.dtype());
      tensor.shape().forEach(entry.putArray("shape")::add);
      long end = begin + tensor.bytes();
      entry.putArray("data_offsets").add(begin).add(end);
      begin = end;
    }
    return mapper.writeValueAsBytes(json);
  }

  /** The next bytes of the data, little-endian. */
  void write(byte[] data) throws IOException {
    write(data, 0, data.length);
  }

  /** The same for a part of an array. */
  void write(byte[] data, int from, int count) throws IOException {
    written += count;
    out.write(data, from, count);
  }

  /**
   * Ends the file.
   *
   * @throws IOException when it has not got the data of all its tensors
   */
  @Override
  public void close() throws IOException {
    out.close();
    if (written != bytes) {
      throw new IOException(
          String.format(
              "A safetensors file of %d tensors got %,d bytes of data, its header says %,d",
              tensors.size(), written, bytes));
    }
  }
}
