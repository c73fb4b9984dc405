package io.sparsefill.job.output;

import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.KvBlock;
import org.apache.parquet.example.data.Group;

/**
 * Rows of the kv table as blocks and the other way round: the one place that knows how cells are
 * encoded. Rows of every format version are read.
 */
public final class KvCells {
  private KvCells() {}

  /**
   * The block of a row that was read with all columns of {@link Table#KV}: plain bytes and scales,
   * whatever the cells' encoding. The checksum is the stored one; {@link KvBlock#intact} compares.
   *
   * @throws IllegalArgumentException naming layer and block, when type or encoding are unknown, or
   *     the cells cannot be of them
   */
  public static KvBlock block(Group row) {
    int layer = row.getInteger("layer", 0);
    int block = row.getInteger("block", 0);
    try {
      CellEncoding encoding = CellEncoding.of(StoredRows.text(row, "encoding"));
      return new KvBlock(
          layer,
          block,
          row.getInteger("token_start", 0),
          row.getInteger("token_count", 0),
          KvDtype.of(row.getString("dtype", 0)),
          encoding.decode(row.getBinary("key", 0).getBytes()),
          encoding.decode(row.getBinary("value", 0).getBytes()),
          StoredRows.bytes(row, "key_scale"),
          StoredRows.bytes(row, "value_scale"),
          row.getLong("crc32c", 0));
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "Cannot read layer %d, block %d: %s".formatted(layer, block, e.getMessage()), e);
    }
  }

  /** Writes a block as a row. */
  static void write(
      String docId, KvBlock block, String runId, KvCompression compression, RowFields fields) {
    CellEncoding encoding = CellEncoding.of(block.dtype(), compression);
    fields
        .text("doc_id", docId)
        .int32("layer", block.layer())
        .int32("block", block.block())
        .int32("token_start", block.tokenStart())
        .int32("token_count", block.tokenCount())
        .text("dtype", block.dtype().label())
        .text("encoding", encoding.label())
        .bytes("key", encoding.encode(block.key()))
        .bytes("value", encoding.encode(block.value()))
        .bytes("key_scale", block.keyScale())
        .bytes("value_scale", block.valueScale())
        .int64("crc32c", block.crc32c())
        .text("run_id", runId);
  }
}
