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
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Files of vLLM's {@code ExampleConnector} (before: {@code SharedStorageConnector}): a folder named
 * by the MD5 of the token ids as little-endian int64, in it one safetensors file per layer with the
 * tensor {@code kv_cache}. As vLLM does when it stores a prompt, the last token is left out and the
 * rest cut to whole blocks. The connector looks up the whole prompt, so it finds these files when a
 * prompt is this document and at most as many tokens more as fill the next block.
 *
 * <p>One block of one layer is in memory at a time.
 */
final class VllmFormat implements CacheFormat {
  private static final Logger LOG = LoggerFactory.getLogger(VllmFormat.class);

  private static final FormatOption BLOCK_SIZE =
      new FormatOption("block-size", "16", "vLLM's --block-size, in tokens");
  private static final FormatOption LAYOUT =
      new FormatOption(
          "layout",
          "packed",
          "packed: [tokens, kv_heads, 2 * head_dim], since June 2026; split: [2, tokens, kv_heads,"
              + " head_dim], before");
  private static final FormatOption LAYER_NAME =
      new FormatOption(
          "layer-name",
          "auto",
          "vLLM's name of a layer's attention with {layer} for its number; auto: by the model's"
              + " type");

  private static final String LAYER = "{layer}";

  @Override
  public String name() {
    return "vllm";
  }

  @Override
  public String engine() {
    return "vLLM ExampleConnector of 2026 (read from its source; not run)";
  }

  @Override
  public Set<KvDtype> dtypes() {
    return ElementTypes.unscaled();
  }

  @Override
  public List<FormatOption> options() {
    return List.of(BLOCK_SIZE, LAYOUT, LAYER_NAME);
  }

  @Override
  public void check(ExportContext context) {
    context.number(BLOCK_SIZE.name(), 1);
    packed(context);
    layerName(context, 0);
  }

  @Override
  public void write(StoredCache cache, ExportContext context, ExportFolder folder)
      throws IOException {
    CacheShape shape = cache.shape();
    int blockSize = context.number(BLOCK_SIZE.name(), 1);
    int tokens = (shape.tokens() - 1) / blockSize * blockSize;
    if (tokens == 0) {
      LOG.warn(
          "Document {} has {} tokens: vLLM stores nothing of a prompt that does not go beyond one"
              + " block of {}, so nothing is exported of it",
          context.docId(),
          shape.tokens(),
          blockSize);
      return;
    }
    boolean packed = packed(context);
    String name = folderName(cache.tokenIds(), tokens);
    for (int layer = 0; layer < shape.layers(); layer++) {
      String path = name + "/" + layerName(context, layer) + ".safetensors";
      try (SafetensorsFile file =
          new SafetensorsFile(
              folder.createShared(path), Map.of(), List.of(tensor(shape, tokens, packed)))) {
        if (packed) {
          writePacked(cache, layer, tokens, file);
        } else {
          write(cache, layer, tokens, CacheRows.Side.KEY, file);
          write(cache, layer, tokens, CacheRows.Side.VALUE, file);
        }
      }
    }
  }

  private static Tensor tensor(CacheShape shape, int tokens, boolean packed) {
    long heads = shape.kvHeads();
    long dim = shape.headDim();
    List<Long> sizes =
        packed ? List.of((long) tokens, heads, 2 * dim) : List.of(2L, (long) tokens, heads, dim);
    return Tensor.of("kv_cache", shape.dtype(), sizes);
  }

  /** Keys and values of a head side by side. */
  private static void writePacked(StoredCache cache, int layer, int tokens, SafetensorsFile file)
      throws IOException {
    CacheShape shape = cache.shape();
    int head = shape.headDim() * shape.dtype().bytes();
    try (KvBlocks blocks = cache.blocks(layer)) {
      for (int token = 0; token < tokens; ) {
        KvBlock block = blocks.next();
        int end = Math.min(block.tokenCount(), tokens - token) * shape.tokenBytes();
        for (int at = 0; at < end; at += head) {
          file.write(block.key(), at, head);
          file.write(block.value(), at, head);
        }
        token += block.tokenCount();
      }
    }
  }

  private static void write(
      StoredCache cache, int layer, int tokens, CacheRows.Side side, SafetensorsFile file)
      throws IOException {
    int row = cache.shape().tokenBytes();
    try (KvBlocks blocks = cache.blocks(layer)) {
      for (int token = 0; token < tokens; ) {
        KvBlock block = blocks.next();
        file.write(side.of(block), 0, Math.min(block.tokenCount(), tokens - token) * row);
        token += block.tokenCount();
      }
    }
  }

  /** vLLM's {@code safe_hash}: MD5, where the system allows it. */
  private static String folderName(int[] tokenIds, int tokens) {
    ByteBuffer bytes = ByteBuffer.allocate(8 * 1024).order(ByteOrder.LITTLE_ENDIAN);
    MessageDigest md5 = md5();
    for (int i = 0; i < tokens; i++) {
      bytes.putLong(tokenIds[i]);
      if (!bytes.hasRemaining()) {
        md5.update(bytes.flip());
        bytes.clear();
      }
    }
    md5.update(bytes.flip());
    return HexFormat.of().formatHex(md5.digest());
  }

  private static MessageDigest md5() {
    try {
      return MessageDigest.getInstance("MD5");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every Java platform has MD5", e);
    }
  }

  private static boolean packed(ExportContext context) {
    return context.choice(LAYOUT.name(), "packed", "split").equals("packed");
  }

  private static String layerName(ExportContext context, int layer) {
    String template = context.option(LAYER_NAME.name());
    if (template.equals(LAYER_NAME.standard())) {
      template =
          context.identity("model_type").equals("chatglm")
              ? "transformer.encoder.layers.{layer}.self_attention.attn"
              : "model.layers.{layer}.self_attn.attn";
    }
    if (!template.contains(LAYER) || template.contains("/")) {
      throw new IllegalArgumentException(
          "Cannot use --set layer-name="
              + template
              + ": it must have {layer} in the place of the layer's number and no '/'");
    }
    return template.replace(LAYER, Integer.toString(layer));
  }
}
