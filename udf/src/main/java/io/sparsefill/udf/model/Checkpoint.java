package io.sparsefill.udf.model;

import io.sparsefill.kernels.HostMatrix;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * The weights of a model, memory-mapped and checked against its config: every tensor that the
 * family needs is there with its shape, and none that the family does not know. Opening reads
 * headers only; weights are read when a {@link HostMatrix} is. There is nothing to close: files are
 * closed once they are mapped, and a mapping ends when the garbage collector finds that no matrix
 * of it is used any more. Immutable and safe for use by several threads.
 */
public final class Checkpoint {
  /** Tensors that a message names; the rest is counted. */
  private static final int NAMED = 8;

  private final ModelConfig config;
  private final HostMatrix embedding;
  private final HostMatrix finalNorm;
  private final HostMatrix lmHead;
  private final List<LayerWeights> layers;

  private Checkpoint(
      ModelConfig config,
      HostMatrix embedding,
      HostMatrix finalNorm,
      HostMatrix lmHead,
      List<LayerWeights> layers) {
    this.config = config;
    this.embedding = embedding;
    this.finalNorm = finalNorm;
    this.lmHead = lmHead;
    this.layers = layers;
  }

  /**
   * Opens the checkpoint of a folder: config.json beside model.safetensors, or beside an index and
   * its shards.
   *
   * @throws IllegalArgumentException naming the file, tensor or option that is missing, broken or
   *     not supported
   * @throws java.io.UncheckedIOException if a file cannot be read
   */
  public static Checkpoint open(Path folder) {
    ModelConfig config = ModelConfig.read(folder);
    return new Reader(folder, config, CheckpointFiles.of(folder).open()).read();
  }

  /** Hashes of the files of a folder; see {@link ModelIdentity}. */
  public static ModelIdentity identity(Path folder) {
    return ModelIdentity.of(folder);
  }

  /** What config.json says. */
  public ModelConfig config() {
    return config;
  }

  /** Token embedding [V, hidden]. */
  public HostMatrix embedding() {
    return embedding;
  }

  /** RMSNorm after the last layer [1, hidden]. */
  public HostMatrix finalNorm() {
    return finalNorm;
  }

  /** Output head [V, hidden]; the embedding itself when the model ties them. */
  public HostMatrix lmHead() {
    return lmHead;
  }

  /**
   * Weights of one layer, counted from 0.
   *
   * @throws IndexOutOfBoundsException if there is no such layer
   */
  public LayerWeights layer(int layer) {
    return layers.get(layer);
  }

  /** Takes the tensors that a family needs, by name and shape, and keeps account of them. */
  private static final class Reader {
    private final Path folder;
    private final ModelConfig config;
    private final TensorNames names;
    private final Map<String, StoredTensor> tensors;
    private final Set<String> taken = new TreeSet<>();
    private final Set<String> missing = new TreeSet<>();

    Reader(Path folder, ModelConfig config, Map<String, StoredTensor> tensors) {
      this.folder = folder;
      this.config = config;
      this.names = ModelFamily.named(config.modelType()).names();
      this.tensors = tensors;
    }

    Checkpoint read() {
      int hidden = config.hiddenSize();
      HostMatrix embedding = matrix(names.embedding(), config.vocab(), hidden);
      HostMatrix finalNorm = vector(names.finalNorm(), hidden);
      HostMatrix lmHead =
          config.tiedEmbedding() ? embedding : matrix(names.lmHead(), config.vocab(), hidden);
      List<LayerWeights> layers = new ArrayList<>();
      for (int layer = 0; layer < config.layers(); layer++) {
        layers.add(layer(names.layers() + layer + "."));
      }
      refuseMissingAndExtra();
      return new Checkpoint(config, embedding, finalNorm, lmHead, List.copyOf(layers));
    }

    private LayerWeights layer(String prefix) {
      int hidden = config.hiddenSize();
      int headDim = config.headDim();
      int q = config.heads() * headDim;
      int kv = config.kvHeads() * headDim;
      int ffn = config.ffn();
      int[] qkvRows = names.qkv().size() == 3 ? new int[] {q, kv, kv} : new int[] {q + 2 * kv};
      int[] gateUpRows = names.gateUp().size() == 2 ? new int[] {ffn, ffn} : new int[] {2 * ffn};
      return new LayerWeights(
          vector(prefix + names.inputNorm(), hidden),
          stacked(prefix, names.qkv(), qkvRows, hidden),
          config.qkvBias() ? joined(prefix, names.qkv(), qkvRows) : null,
          config.qkNorm() ? vector(prefix + names.qNorm(), headDim) : null,
          config.qkNorm() ? vector(prefix + names.kNorm(), headDim) : null,
          matrix(prefix + names.output(), hidden, q),
          vector(prefix + names.postNorm(), hidden),
          stacked(prefix, names.gateUp(), gateUpRows, hidden),
          matrix(prefix + names.down(), hidden, ffn));
    }

    private HostMatrix matrix(String name, long rows, int cols) {
      return view(rows, cols, take(name + ".weight", rows, (long) cols));
    }

    private HostMatrix vector(String name, int size) {
      return view(1, size, take(name + ".weight", (long) size));
    }

    private HostMatrix stacked(String prefix, List<String> parts, int[] rows, int cols) {
      StoredTensor[] tensors = new StoredTensor[rows.length];
      for (int i = 0; i < rows.length; i++) {
        tensors[i] = take(prefix + parts.get(i) + ".weight", rows[i], cols);
      }
      return view(Arrays.stream(rows).asLongStream().sum(), cols, tensors);
    }

    private HostMatrix joined(String prefix, List<String> parts, int[] sizes) {
      StoredTensor[] tensors = new StoredTensor[sizes.length];
      for (int i = 0; i < sizes.length; i++) {
        tensors[i] = take(prefix + parts.get(i) + ".bias", sizes[i]);
      }
      return view(1, Arrays.stream(sizes).sum(), tensors);
    }

    /**
     * Null as long as a part is missing: the reader goes on to find all that is missing before it
     * fails.
     */
    private static HostMatrix view(long rows, int cols, StoredTensor... parts) {
      for (StoredTensor part : parts) {
        if (part == null) {
          return null;
        }
      }
      return StoredMatrix.of(rows, cols, List.of(parts));
    }

    private StoredTensor take(String name, long... shape) {
      StoredTensor tensor = tensors.get(name);
      if (tensor == null) {
        missing.add(name);
        return null;
      }
      taken.add(name);
      List<Long> expected = Arrays.stream(shape).boxed().toList();
      if (!tensor.shape().equals(expected)) {
        throw new IllegalArgumentException(
            "Cannot read checkpoint %s: tensor '%s' has shape %s, but config.json asks for %s"
                .formatted(folder, name, tensor.shape(), expected));
      }
      return tensor;
    }

    private void refuseMissingAndExtra() {
      if (!missing.isEmpty()) {
        boolean head = missing.contains(names.lmHead() + ".weight");
        throw new IllegalArgumentException(
            "Cannot read checkpoint %s: a %s needs the tensors %s, which are missing%s"
                .formatted(
                    folder,
                    config.modelType(),
                    some(missing),
                    head ? "; a model without an own head says tie_word_embeddings: true" : ""));
      }
      Set<String> extra = new TreeSet<>(tensors.keySet());
      extra.removeAll(taken);
      extra.removeIf(this::isHarmless);
      if (!extra.isEmpty()) {
        throw new IllegalArgumentException(
            "Cannot read checkpoint %s: a %s of %d layers does not know the tensors %s, and ignoring them would change the numbers"
                .formatted(folder, config.modelType(), config.layers(), some(extra)));
      }
    }

    /** Tables that are computed from the config anyway, and a stored copy of a tied head. */
    private boolean isHarmless(String name) {
      return name.endsWith("rotary_emb.inv_freq")
          || name.endsWith("rotary_pos_emb.inv_freq")
          || (config.tiedEmbedding() && name.equals(names.lmHead() + ".weight"));
    }

    private static String some(Set<String> names) {
      String list = String.join(", ", names.stream().limit(NAMED).toList());
      return names.size() <= NAMED ? list : list + " and " + (names.size() - NAMED) + " more";
    }
  }
}
