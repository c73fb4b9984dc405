package io.sparsefill.udf.model;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * The safetensors files of a model's folder: {@code model.safetensors} alone, or the shards that
 * {@code model.safetensors.index.json} lists. Where both are there the single file is taken, as in
 * transformers.
 */
final class CheckpointFiles {
  private static final String SINGLE = "model.safetensors";
  private static final String INDEX = "model.safetensors.index.json";

  private final Path folder;

  /** Files in the order of their names, each with the tensors that an index places there. */
  private final Map<Path, Set<String>> listed;

  private CheckpointFiles(Path folder, Map<Path, Set<String>> listed) {
    this.folder = folder;
    this.listed = listed;
  }

  /**
   * Finds the files of a folder; their contents are not looked at.
   *
   * @throws IllegalArgumentException if there are none, or if the index names a file outside the
   *     folder or a missing one
   */
  static CheckpointFiles of(Path folder) {
    Map<Path, Set<String>> listed = new TreeMap<>();
    if (Files.isRegularFile(folder.resolve(SINGLE))) {
      listed.put(folder.resolve(SINGLE), Set.of());
      return new CheckpointFiles(folder, listed);
    }
    Path index = folder.resolve(INDEX);
    if (!Files.isRegularFile(index)) {
      throw new IllegalArgumentException(
          "Cannot read checkpoint %s: it has neither %s nor %s, but %s; give a Hugging Face folder with safetensors weights"
              .formatted(folder, SINGLE, INDEX, contents(folder)));
    }
    ConfigJson map = ConfigJson.read(index).object("weight_map");
    for (String tensor : map.keys()) {
      Path shard = shard(folder, index, tensor, map.node(tensor));
      listed.computeIfAbsent(shard, path -> new TreeSet<>()).add(tensor);
    }
    if (listed.isEmpty()) {
      throw map.error("it lists no tensors");
    }
    for (Path shard : listed.keySet()) {
      if (!Files.isRegularFile(shard)) {
        throw new IllegalArgumentException(
            "Cannot read checkpoint %s: the shard %s is missing, which %s lists for %d tensors; is the download complete?"
                .formatted(folder, shard.getFileName(), INDEX, listed.get(shard).size()));
      }
    }
    return new CheckpointFiles(folder, listed);
  }

  /** The files, ordered by name. */
  List<Path> files() {
    return List.copyOf(listed.keySet());
  }

  /**
   * Maps the files and gathers their tensors by name.
   *
   * @throws IllegalArgumentException if a file is broken, a listed tensor is not in its shard, or
   *     one is there twice
   */
  Map<String, StoredTensor> open() {
    Map<String, StoredTensor> tensors = new LinkedHashMap<>();
    for (Map.Entry<Path, Set<String>> entry : listed.entrySet()) {
      Safetensors file = Safetensors.open(entry.getKey());
      List<String> absent = new ArrayList<>(entry.getValue());
      absent.removeAll(file.names());
      if (!absent.isEmpty()) {
        throw new IllegalArgumentException(
            "Cannot read checkpoint %s: %s places %s in %s, which does not hold it"
                .formatted(folder, INDEX, absent, file.file().getFileName()));
      }
      for (String name : file.names()) {
        if (tensors.put(name, file.tensor(name)) != null) {
          throw new IllegalArgumentException(
              "Cannot read checkpoint %s: tensor '%s' is in %s and in another shard"
                  .formatted(folder, name, file.file().getFileName()));
        }
      }
    }
    return tensors;
  }

  /**
   * The path of a shard. Only the name is judged: links that lead elsewhere are how model hubs
   * store files.
   */
  private static Path shard(Path folder, Path index, String tensor, JsonNode entry) {
    String name = entry.asText();
    try {
      Path relative = Path.of(name);
      boolean leaves = relative.isAbsolute();
      for (Path part : relative) {
        leaves |= part.toString().equals("..");
      }
      if (entry.isTextual() && !name.isBlank() && !leaves) {
        return folder.resolve(relative).normalize();
      }
    } catch (InvalidPathException e) {
      throw outside(index, tensor, entry, e);
    }
    throw outside(index, tensor, entry, null);
  }

  private static IllegalArgumentException outside(
      Path index, String tensor, JsonNode entry, Exception cause) {
    return new IllegalArgumentException(
        "Cannot read %s: tensor '%s' is placed in %s; accepted: the name of a file inside the folder, without '..'"
            .formatted(index, tensor, entry),
        cause);
  }

  private static String contents(Path folder) {
    if (!Files.isDirectory(folder)) {
      return "there is no such folder";
    }
    try (Stream<Path> files = Files.list(folder)) {
      List<String> names = files.map(file -> file.getFileName().toString()).sorted().toList();
      return names.isEmpty() ? "nothing" : "only " + String.join(", ", names);
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot list " + folder + ": " + e.getMessage(), e);
    }
  }
}
