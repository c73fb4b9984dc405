package io.sparsefill.udf;

import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.model.ModelConfig;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * A sink that keeps every block, and gives a layer back as fp32 in the golden files' order
 * [G][T][D].
 */
final class KvCollector implements KvSink {
  private final List<KvBlock> blocks = new ArrayList<>();

  @Override
  public synchronized void accept(KvBlock block) {
    blocks.add(block);
  }

  synchronized List<KvBlock> blocks() {
    return List.copyOf(blocks);
  }

  /** Everything about every block, in a form that compares by content. */
  List<List<Object>> contents() {
    return blocks().stream()
        .map(
            b ->
                List.<Object>of(
                    b.layer(),
                    b.block(),
                    b.tokenStart(),
                    b.tokenCount(),
                    b.dtype(),
                    ByteBuffer.wrap(b.key()),
                    ByteBuffer.wrap(b.value()),
                    b.dtype().scaled() ? ByteBuffer.wrap(b.keyScale()) : "no scales",
                    b.dtype().scaled() ? ByteBuffer.wrap(b.valueScale()) : "no scales",
                    b.crc32c()))
        .toList();
  }

  /** Keys or values of a layer, [G][T][D]; the blocks must be fp32. */
  float[] layer(int layer, boolean keys, ModelConfig config, int tokens) {
    int g = config.kvHeads();
    int d = config.headDim();
    float[] result = new float[g * tokens * d];
    for (KvBlock block : blocks()) {
      if (block.layer() != layer) {
        continue;
      }
      if (block.dtype() != KvDtype.FP32) {
        throw new IllegalArgumentException("Block is " + block.dtype());
      }
      ByteBuffer data =
          ByteBuffer.wrap(keys ? block.key() : block.value()).order(ByteOrder.LITTLE_ENDIAN);
      for (int t = 0; t < block.tokenCount(); t++) {
        for (int head = 0; head < g; head++) {
          for (int i = 0; i < d; i++) {
            result[(head * tokens + block.tokenStart() + t) * d + i] = data.getFloat();
          }
        }
      }
    }
    return result;
  }
}
