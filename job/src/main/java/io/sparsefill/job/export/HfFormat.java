package io.sparsefill.job.export;

import io.sparsefill.job.export.SafetensorsFile.Tensor;
import io.sparsefill.job.read.CacheShape;
import io.sparsefill.job.read.KvBlocks;
import io.sparsefill.job.read.StoredCache;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.KvBlock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * One safetensors file per document for Hugging Face transformers. {@code layers.N.keys} and {@code
 * layers.N.values} are {@code [1, tokens, kv_heads, head_dim]}: {@code transpose(1, 2)}, a view, is
 * what a layer of {@code DynamicCache} holds. {@code input_ids} is {@code [1, tokens]}, int64. The
 * metadata has the run's identity.
 *
 * <p>A layer's keys come before its values in the file, and both in each stored block. Values of up
 * to 64 MiB wait in memory for the keys to end; those of a longer layer are read in a second pass.
 */
final class HfFormat implements CacheFormat {
  /** Bytes of a layer's values that may wait in memory. */
  static final long HELD_BYTES = 64L << 20;

  private static final int IDS_AT_A_TIME = 8192;

  private final long heldBytes;

  HfFormat() {
    this(HELD_BYTES);
  }

  /** With another number of bytes that may wait. */
  HfFormat(long heldBytes) {
    this.heldBytes = heldBytes;
  }

  @Override
  public String name() {
    return "hf";
  }

  @Override
  public String engine() {
    return "Hugging Face transformers 5.17, DynamicCache (run with it)";
  }

  @Override
  public Set<KvDtype> dtypes() {
    return ElementTypes.unscaled();
  }

  @Override
  public void write(StoredCache cache, ExportContext context, ExportFolder folder)
      throws IOException {
    CacheShape shape = cache.shape();
    int[] tokens = cache.tokenIds();
    Map<String, String> metadata = new TreeMap<>(context.identity());
    metadata.put("format", "pt"); // transformers' name for row-major tensors
    metadata.put("doc_id", context.docId());
    metadata.put("run_id", cache.runId());
    metadata.put("model_name", context.model());
    metadata.put("fingerprint", context.fingerprint());
    String path = DocumentFile.name(context.docId()) + ".safetensors";
    try (SafetensorsFile file =
        new SafetensorsFile(folder.create(path), metadata, tensors(shape))) {
      for (int from = 0; from < tokens.length; from += IDS_AT_A_TIME) {
        int to = Math.min(tokens.length, from + IDS_AT_A_TIME);
        ByteBuffer ids = ByteBuffer.allocate((to - from) * Long.BYTES);
        ids.order(ByteOrder.LITTLE_ENDIAN);
        for (int i = from; i < to; i++) {
          ids.putLong(tokens[i]);
        }
        file.write(ids.array());
      }
      for (int layer = 0; layer < shape.layers(); layer++) {
        write(cache, layer, file);
      }
    }
  }

  private static List<Tensor> tensors(CacheShape shape) {
    long tokens = shape.tokens();
    List<Long> sizes = List.of(1L, tokens, (long) shape.kvHeads(), (long) shape.headDim());
    List<Tensor> tensors = new ArrayList<>();
    tensors.add(new Tensor("input_ids", "I64", Long.BYTES, List.of(1L, tokens)));
    for (int layer = 0; layer < shape.layers(); layer++) {
      for (String part : List.of("keys", "values")) {
        String name = "layers." + layer + "." + part;
        tensors.add(Tensor.of(name, shape.dtype(), sizes));
      }
    }
    return tensors;
  }

  private void write(StoredCache cache, int layer, SafetensorsFile file) throws IOException {
    boolean hold = cache.shape().layerBytes() <= heldBytes;
    List<byte[]> held = new ArrayList<>();
    try (KvBlocks blocks = cache.blocks(layer)) {
      for (KvBlock block = blocks.next(); block != null; block = blocks.next()) {
        file.write(block.key());
        if (hold) {
          held.add(block.value());
        }
      }
    }
    for (byte[] values : held) {
      file.write(values);
    }
    if (!hold) {
      try (KvBlocks blocks = cache.blocks(layer)) {
        for (KvBlock block = blocks.next(); block != null; block = blocks.next()) {
          file.write(block.value());
        }
      }
    }
  }
}
