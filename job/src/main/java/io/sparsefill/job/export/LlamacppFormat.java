package io.sparsefill.job.export;

import io.sparsefill.job.read.CacheShape;
import io.sparsefill.job.read.KvBlocks;
import io.sparsefill.job.read.StoredCache;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.KvBlock;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * A sequence of llama.cpp, as {@code llama_state_seq_load_file} and the server's restore of a slot
 * read it: {@code ggsq} with one stream of cells (builds since July 2025), values not transposed
 * (flash attention on, llama.cpp's standard); versions 2 and 3 differ for these in their number
 * only. Per document one file: magic, version, number of tokens and the tokens; number of streams,
 * of cells, and per cell its position and sequence; then all layers' keys and all layers' values,
 * each layer with its type and the bytes of a token's row.
 *
 * <p>GGUF files of Llama and Mistral have the rows of the query and key projections reordered so
 * that RoPE turns neighbours, thus keys are reordered here in the same way. Other families keep
 * their order.
 *
 * <p>One block is in memory at a time; every block is read twice, for its keys and for its values.
 */
final class LlamacppFormat implements CacheFormat {
  private static final int MAGIC = 0x67677371;

  private static final FormatOption TYPE =
      new FormatOption(
          "type",
          "f16",
          "type of llama.cpp's cache, its --cache-type-k and --cache-type-v: f16, bf16 or f32");
  private static final FormatOption STATE_VERSION =
      new FormatOption(
          "state-version", "3", "3: llama.cpp since v0.4.0 of September 2026; 2: builds before");

  @Override
  public String name() {
    return "llamacpp";
  }

  @Override
  public String engine() {
    return "llama.cpp v0.5.0; with state-version=2 b7698 and b10068 (run with its library)";
  }

  @Override
  public Set<KvDtype> dtypes() {
    return ElementTypes.unscaled();
  }

  @Override
  public List<FormatOption> options() {
    return List.of(TYPE, STATE_VERSION);
  }

  @Override
  public void check(ExportContext context) {
    type(context);
    version(context);
    neighbours(context);
  }

  @Override
  public void write(StoredCache cache, ExportContext context, ExportFolder folder)
      throws IOException {
    CacheShape shape = cache.shape();
    GgmlType type = type(context);
    boolean neighbours = neighbours(context);
    try (OutputStream out = folder.create(DocumentFile.name(context.docId()) + ".ggsq")) {
      writeTokens(version(context), cache.tokenIds(), out);
      out.write(little(8).putInt(0).putInt(shape.layers()).array());
      for (CacheRows.Side side : CacheRows.Side.values()) {
        boolean reorder = neighbours && side == CacheRows.Side.KEY;
        for (int layer = 0; layer < shape.layers(); layer++) {
          long row = (long) shape.kvHeads() * shape.headDim() * type.bytes();
          out.write(little(12).putInt(type.number()).putLong(row).array());
          writeLayer(cache, layer, side, type, reorder, out);
        }
      }
    }
  }

  /** The tokens, and the cells: token i is cell i, at position i, of sequence 0. */
  private static void writeTokens(int version, int[] tokens, OutputStream out) throws IOException {
    out.write(little(12).putInt(MAGIC).putInt(version).putInt(tokens.length).array());
    for (int token : tokens) {
      out.write(little(4).putInt(token).array());
    }
    out.write(little(8).putInt(1).putInt(tokens.length).array());
    for (int i = 0; i < tokens.length; i++) {
      out.write(little(12).putInt(i).putInt(1).putInt(0).array());
    }
  }

  private static void writeLayer(
      StoredCache cache,
      int layer,
      CacheRows.Side side,
      GgmlType type,
      boolean reorder,
      OutputStream out)
      throws IOException {
    CacheShape shape = cache.shape();
    try (KvBlocks blocks = cache.blocks(layer)) {
      for (KvBlock block = blocks.next(); block != null; block = blocks.next()) {
        byte[] elements = convert(side.of(block), block, type);
        out.write(reorder ? neighbours(elements, shape.headDim(), type.bytes()) : elements);
      }
    }
  }

  private static byte[] convert(byte[] elements, KvBlock block, GgmlType type) throws IOException {
    try {
      return type.convert(elements, block.dtype());
    } catch (ArithmeticException e) {
      throw new IOException(
          "Cannot write layer "
              + block.layer()
              + ", tokens from "
              + block.tokenStart()
              + ", as f16: "
              + e.getMessage()
              + "; use --set type=bf16 and llama.cpp's --cache-type-k bf16 --cache-type-v bf16",
          e);
    }
  }

  /** Element i of a head's first half goes to place 2i, element i of its second half to 2i+1. */
  static byte[] neighbours(byte[] elements, int headDim, int bytes) {
    byte[] reordered = new byte[elements.length];
    int half = headDim / 2 * bytes;
    for (int head = 0; head < elements.length; head += 2 * half) {
      for (int at = 0; at < half; at += bytes) {
        System.arraycopy(elements, head + at, reordered, head + 2 * at, bytes);
        System.arraycopy(elements, head + half + at, reordered, head + 2 * at + bytes, bytes);
      }
    }
    return reordered;
  }

  private static GgmlType type(ExportContext context) {
    String type = context.choice(TYPE.name(), "f16", "bf16", "f32");
    return GgmlType.valueOf(type.toUpperCase(Locale.ROOT));
  }

  private static int version(ExportContext context) {
    return Integer.parseInt(context.choice(STATE_VERSION.name(), "3", "2"));
  }

  /** Whether llama.cpp turns neighbours in a model whose keys here are turned by halves. */
  private static boolean neighbours(ExportContext context) {
    String model = context.identity("model_type");
    return switch (model) {
      case "llama", "mistral" -> {
        if (!context.identity("rotary_dim").equals(context.identity("head_dim"))) {
          throw new IllegalArgumentException(
              "Cannot export this run to llama.cpp: its model is of type "
                  + model
                  + ", but RoPE turns "
                  + context.identity("rotary_dim")
                  + " of "
                  + context.identity("head_dim")
                  + " elements of a head, which llama.cpp does not know of that type");
        }
        yield true;
      }
      case "qwen2", "qwen3", "phi3", "glm", "chatglm" -> false;
      default ->
          throw new IllegalArgumentException(
              "Cannot export a model of type "
                  + model
                  + " to llama.cpp: how its keys are ordered there is known of llama, mistral,"
                  + " qwen2, qwen3, phi3, glm and chatglm");
    };
  }

  private static ByteBuffer little(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
