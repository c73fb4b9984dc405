package io.sparsefill.udf.model;

import io.sparsefill.kernels.HostMatrix;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * One memory-mapped safetensors file (format: github.com/huggingface/safetensors). The file itself
 * is closed when {@link #open} returns; the mapping stays until the garbage collector finds that no
 * tensor of it is used any more, so there is nothing to close here, and a file must not be
 * shortened while its tensors are read. Safe for use by several threads.
 */
public final class Safetensors {
  /** Divisible by every element size, and below the 2 GiB that one buffer can hold. */
  private static final int WINDOW_BYTES = 1 << 30;

  private final Path file;
  private final Map<String, StoredTensor> tensors;

  private Safetensors(Path file, Map<String, StoredTensor> tensors) {
    this.file = file;
    this.tensors = tensors;
  }

  /**
   * Maps a file and checks its header.
   *
   * @throws IllegalArgumentException if the file is missing, truncated or breaks the format
   * @throws UncheckedIOException if it cannot be read
   */
  public static Safetensors open(Path file) {
    return open(file, WINDOW_BYTES);
  }

  /** The same with another size of windows, a multiple of 8 bytes. */
  static Safetensors open(Path file, int windowBytes) {
    if (!Files.isRegularFile(file)) {
      throw new IllegalArgumentException(
          "Cannot read safetensors file " + file + ": there is no such file");
    }
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      SafetensorsHeader header = SafetensorsHeader.read(channel, file);
      Map<String, StoredTensor> tensors = new LinkedHashMap<>();
      for (Map.Entry<String, SafetensorsHeader.Entry> entry : header.tensors().entrySet()) {
        tensors.put(
            entry.getKey(),
            StoredTensor.map(
                channel, header.dataStart(), entry.getKey(), entry.getValue(), windowBytes));
      }
      return new Safetensors(file, tensors);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "Cannot read safetensors file " + file + ": " + e.getMessage(), e);
    }
  }

  /** The file. */
  public Path file() {
    return file;
  }

  /** Names of all tensors, in the order of their data. */
  public Set<String> names() {
    return tensors.keySet();
  }

  /**
   * Shape of a tensor, outermost size first.
   *
   * @throws IllegalArgumentException if there is no such tensor
   */
  public List<Long> shape(String name) {
    return tensor(name).shape();
  }

  /**
   * Element type of a tensor.
   *
   * @throws IllegalArgumentException if there is no such tensor
   */
  public StoredDtype dtype(String name) {
    return tensor(name).dtype();
  }

  /**
   * A BF16, F16 or F32 tensor as a matrix: its last dimension gives the columns, all others the
   * rows; a vector is one row.
   *
   * @throws IllegalArgumentException if there is no such tensor or it has another dtype
   */
  public HostMatrix matrix(String name) {
    StoredTensor tensor = tensor(name);
    List<Long> shape = tensor.shape();
    long cols = shape.isEmpty() ? 1 : shape.get(shape.size() - 1);
    long rows = cols == 0 ? 0 : tensor.elements() / cols;
    return StoredMatrix.of(rows, Math.toIntExact(cols), List.of(tensor));
  }

  /**
   * The elements of an I32 tensor in row-major order.
   *
   * @throws IllegalArgumentException if there is no such tensor or it has another dtype
   */
  public int[] ints(String name) {
    StoredTensor tensor = tensor(name);
    if (tensor.dtype() != StoredDtype.I32) {
      throw new IllegalArgumentException(
          "Cannot read tensor '%s' of %s as I32: it is %s".formatted(name, file, tensor.dtype()));
    }
    return tensor.ints();
  }

  StoredTensor tensor(String name) {
    StoredTensor tensor = tensors.get(name);
    if (tensor == null) {
      throw new IllegalArgumentException(
          "Cannot read tensor '%s': %s holds no such tensor".formatted(name, file));
    }
    return tensor;
  }
}
