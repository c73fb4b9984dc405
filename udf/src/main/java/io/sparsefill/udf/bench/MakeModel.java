package io.sparsefill.udf.bench;

import io.sparsefill.kernels.bench.Arguments;
import io.sparsefill.kernels.bench.UsageException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Writes a checkpoint of random weights for {@link PrefillBench}, where the model that it is shaped
 * like cannot be had: config.json, safetensors shards, and patterns.json with patterns as often as
 * Llama-3-8B-262k has them. There is no tokenizer. Plain random weights attend to scattered
 * distances, which makes vertical-slash nearly as dear as dense attention; so structure is planted
 * in the weights, see {@link PlantedModel}. The same seed gives the same bytes.
 */
public final class MakeModel {
  private static final String USAGE =
      """
      Usage: MakeModel --output DIR [--like llama-3-8b|small] [--layers N] [--seed N] [--plain]
        --output  a new or empty folder; llama-3-8b takes 16 GB there
        --like    llama-3-8b (the default), or small: 4 layers, hidden size 256
        --layers  another number of layers
        --plain   noise only, without the structure that makes distances and columns stand out
      """;
  private static final Set<String> OPTIONS = Set.of("--output", "--like", "--layers", "--seed");

  private MakeModel() {}

  /** Runs it; exit code 2 for wrong arguments. */
  public static void main(String[] args) throws Exception {
    System.exit(run(args));
  }

  /** The program without its end: returns the exit code. */
  static int run(String... args) throws Exception {
    return Arguments.run(USAGE, OPTIONS, Set.of("--plain"), args, MakeModel::make);
  }

  private static void make(Arguments arguments) throws IOException {
    Path folder = Path.of(arguments.text("--output"));
    String like = arguments.word("--like", "llama-3-8b", ModelShape.NAMED.keySet());
    ModelShape shape = ModelShape.NAMED.get(like);
    shape = shape.withLayers(arguments.size("--layers", shape.layers()));
    int seed = arguments.size("--seed", 1);
    Files.createDirectories(folder);
    try (Stream<Path> files = Files.list(folder)) {
      if (files.findAny().isPresent()) {
        throw new UsageException("--output " + folder + " is not empty");
      }
    }
    long start = System.nanoTime();
    shape.writeConfig(folder.resolve("config.json"));
    Files.writeString(folder.resolve("patterns.json"), shape.patterns(seed).toJson());
    long bytes =
        new Shards(folder, new PlantedModel(shape, arguments.has("--plain"), seed).shards())
            .write();
    System.out.printf(
        Locale.ROOT,
        "%s: %.2f GB of weights in %.1f s%n",
        folder,
        bytes / 1e9,
        (System.nanoTime() - start) / 1e9);
  }
}
