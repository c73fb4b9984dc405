package io.sparsefill.udf.model;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** The model types that can be read, with what sets them apart: names of tensors and flags. */
enum ModelFamily {
  /** Llama 2, 3, 3.1 to 3.3 and their long-context descendants, Yi. */
  LLAMA(TensorNames.LLAMA),
  /** Mistral: a sliding window on every layer, or none. */
  MISTRAL(TensorNames.LLAMA),
  /** Qwen2 and 2.5: bias on query, key and value; a window on the upper layers, or none. */
  QWEN2(TensorNames.LLAMA),
  /** Qwen3: a norm on every query and key head; windows as in Qwen2. */
  QWEN3(TensorNames.LLAMA),
  /** Phi-3, 3.5 mini and Phi-4 mini: fused projections, LongRoPE. */
  PHI3(TensorNames.PHI3),
  /** GLM-4 of transformers: interleaved RoPE on half of each head. */
  GLM(TensorNames.GLM),
  /** GLM-4 and ChatGLM with the names and options of their original code. */
  CHATGLM(TensorNames.CHATGLM);

  private final TensorNames names;

  ModelFamily(TensorNames names) {
    this.names = names;
  }

  /** {@code model_type} of config.json. */
  String modelType() {
    return name().toLowerCase(Locale.ROOT);
  }

  TensorNames names() {
    return names;
  }

  /**
   * Whether RoPE turns pairs of neighbours, and only the first half of a head unless the config
   * says otherwise.
   */
  boolean glmRope() {
    return this == GLM || this == CHATGLM;
  }

  /** Whether some layers may have a window and others none. */
  boolean windowPerLayer() {
    return this == QWEN2 || this == QWEN3;
  }

  /** The family of a config's {@code modelType}. */
  static ModelFamily named(String modelType) {
    return valueOf(modelType.toUpperCase(Locale.ROOT));
  }

  /**
   * The family that a file's {@code model_type} names.
   *
   * @throws IllegalArgumentException naming the accepted types
   */
  static ModelFamily of(ConfigJson config) {
    String type = config.text("model_type", null);
    if (type == null) {
      throw config.missing("model_type");
    }
    for (ModelFamily family : values()) {
      if (family.modelType().equals(type)) {
        return family;
      }
    }
    throw config.wrong(
        "model_type",
        Arrays.stream(values()).map(ModelFamily::modelType).collect(Collectors.joining(", ")));
  }
}
