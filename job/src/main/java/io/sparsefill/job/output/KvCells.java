package io.sparsefill.job.output;

import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.KvBlock;
import org.apache.parquet.example.data.Group;

/** The one place where rows of the kv table become blocks. */
final class KvCells {
  private KvCells() {}

  /** The block of a row with all columns of {@link Table#KV}. */
  static KvBlock block(Group row) {
    return new KvBlock(
        row.getInteger("layer", 0),
        row.getInteger("block", 0),
        row.getInteger("token_start", 0),
        row.getInteger("token_count", 0),
        KvDtype.of(row.getString("dtype", 0)),
        row.getBinary("key", 0).getBytes(),
        row.getBinary("value", 0).getBytes(),
        row.getLong("crc32c", 0));
  }
}
