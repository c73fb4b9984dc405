package io.sparsefill.job.read;

import io.sparsefill.job.output.Identity;
import io.sparsefill.job.output.StoredKv;
import io.sparsefill.job.output.StoredOutput;
import io.sparsefill.job.output.VisibleDocument;
import io.sparsefill.udf.KvBlock;
import java.io.IOException;

/** A document's cache in the tables of an output folder. */
final class TableCache implements StoredCache {
  private final StoredOutput stored;
  private final VisibleDocument document;
  private final StoredKv kv;
  private final CacheShape shape;

  TableCache(StoredOutput stored, VisibleDocument document) throws IOException {
    this.stored = stored;
    this.document = document;
    this.kv = stored.kv(document);
    Identity identity = stored.identity();
    this.shape =
        new CacheShape(
            document.tokens(),
            identity.layers(),
            identity.kvHeads(),
            identity.headDim(),
            identity.blockTokens(),
            identity.kvDtype());
  }

  @Override
  public String docId() {
    return document.docId();
  }

  @Override
  public String runId() {
    return document.runId();
  }

  @Override
  public CacheShape shape() {
    return shape;
  }

  @Override
  public int[] tokenIds() throws IOException {
    return stored.tokens(document);
  }

  @Override
  public LayerCache layer(int layer) throws IOException {
    inside("layer", layer, shape.layers());
    if (shape.layerBytes() > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(
          String.format(
              "Cannot read layer %d of '%s' at once: its keys take %,d bytes, an array at most 2"
                  + " GiB; read it by block() or blocks()",
              layer, docId(), shape.layerBytes()));
    }
    byte[] key = new byte[(int) shape.layerBytes()];
    byte[] value = new byte[key.length];
    boolean scaled = shape.dtype().scaled();
    byte[] keyScale = scaled ? new byte[shape.tokens() * shape.tokenScaleBytes()] : null;
    byte[] valueScale = scaled ? new byte[keyScale.length] : null;
    try (KvBlocks blocks = blocks(layer)) {
      for (KvBlock block = blocks.next(); block != null; block = blocks.next()) {
        int at = block.tokenStart() * shape.tokenBytes();
        System.arraycopy(block.key(), 0, key, at, block.key().length);
        System.arraycopy(block.value(), 0, value, at, block.value().length);
        if (scaled) {
          int scaleAt = block.tokenStart() * shape.tokenScaleBytes();
          System.arraycopy(block.keyScale(), 0, keyScale, scaleAt, block.keyScale().length);
          System.arraycopy(block.valueScale(), 0, valueScale, scaleAt, block.valueScale().length);
        }
      }
    }
    return new LayerCache(layer, shape.tokens(), shape.dtype(), key, value, keyScale, valueScale);
  }

  @Override
  public KvBlock block(int layer, int block) throws IOException {
    inside("layer", layer, shape.layers());
    inside("block", block, shape.blocks());
    try (StoredKv.Blocks rows = kv.block(layer, block)) {
      return read(rows, layer, block);
    }
  }

  @Override
  public KvBlocks blocks(int layer) {
    inside("layer", layer, shape.layers());
    StoredKv.Blocks rows = kv.layer(layer);
    return new KvBlocks() {
      private int next;

      @Override
      public KvBlock next() throws IOException {
        return next == shape.blocks() ? null : read(rows, layer, next++);
      }

      @Override
      public void close() throws IOException {
        rows.close();
      }
    };
  }

  /** The next of the rows, which must be this block. */
  private KvBlock read(StoredKv.Blocks rows, int layer, int block) throws IOException {
    KvBlock found;
    try {
      found = rows.next();
    } catch (IOException e) {
      throw broken(layer, block, "cannot be read: " + e.getMessage(), e);
    }
    return checked(found, layer, block);
  }

  /** The block that was wanted, whole. */
  private KvBlock checked(KvBlock found, int layer, int block) throws IOException {
    if (found == null || found.layer() != layer || found.block() != block) {
      throw broken(layer, block, "is missing");
    }
    int bytes = shape.blockTokens(block) * shape.tokenBytes();
    if (found.tokenStart() != shape.blockStart(block)
        || found.tokenCount() != shape.blockTokens(block)
        || found.dtype() != shape.dtype()
        || found.key().length != bytes
        || found.value().length != bytes) {
      String is =
          String.format(
              "has tokens %d + %d, %s, %d and %d bytes, not tokens %d + %d, %s, twice %d bytes",
              found.tokenStart(),
              found.tokenCount(),
              found.dtype().label(),
              found.key().length,
              found.value().length,
              shape.blockStart(block),
              shape.blockTokens(block),
              shape.dtype().label(),
              bytes);
      throw broken(layer, block, is);
    }
    long scaleBytes = (long) found.tokenCount() * shape.tokenScaleBytes();
    if (bytes(found.keyScale()) != scaleBytes || bytes(found.valueScale()) != scaleBytes) {
      String is =
          String.format(
              "has scales of %d and %d bytes, not twice %d",
              bytes(found.keyScale()), bytes(found.valueScale()), scaleBytes);
      throw broken(layer, block, is);
    }
    if (!found.intact()) {
      throw broken(layer, block, "has bytes that do not fit their crc32c");
    }
    return found;
  }

  private static int bytes(byte[] scale) {
    return scale == null ? 0 : scale.length;
  }

  private IOException broken(int layer, int block, String is) {
    return broken(layer, block, is, null);
  }

  private IOException broken(int layer, int block, String is, IOException cause) {
    return new IOException(
        String.format(
            "Cannot read '%s' (run %s) from %s: layer %d, block %d of %d %s; run verify",
            docId(), runId(), stored.root(), layer, block, shape.blocks(), is),
        cause);
  }

  private void inside(String what, int index, int size) {
    if (index < 0 || index >= size) {
      throw new IllegalArgumentException(
          String.format(
              "Cannot read %s %d of '%s': there are %d, counted from 0",
              what, index, docId(), size));
    }
  }
}
