package io.sparsefill.job.notebook;

import io.sparsefill.job.run.UsageException;
import io.sparsefill.udf.model.ModelConfig;
import java.io.Serializable;

/** A head of a layer, both from 0. */
record HeadName(int layer, int head) implements Serializable {
  private static final long serialVersionUID = 1L;

  /**
   * Reads {@code LAYER:HEAD}.
   *
   * @throws UsageException if it is not that, or the model has no such head
   */
  static HeadName parse(String text, ModelConfig config) {
    if (text.matches("\\d{1,6}:\\d{1,6}")) {
      int colon = text.indexOf(':');
      int layer = Integer.parseInt(text.substring(0, colon));
      int head = Integer.parseInt(text.substring(colon + 1));
      if (layer < config.layers() && head < config.heads()) {
        return new HeadName(layer, head);
      }
    }
    throw new UsageException(
        "Cannot picture head '%s': it is LAYER:HEAD, and the model has layers 0 to %d with heads 0 to %d"
            .formatted(text, config.layers() - 1, config.heads() - 1));
  }
}
