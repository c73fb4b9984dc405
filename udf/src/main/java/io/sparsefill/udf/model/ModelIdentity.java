package io.sparsefill.udf.model;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/**
 * What tells one model from another, as lower-case SHA-256 hashes of files. A person gets the same
 * with {@code cat FILES | sha256sum}.
 *
 * @param weightsSha256 of the safetensors files, one after the other in the order of their names
 * @param configSha256 of config.json
 * @param tokenizerSha256 of tokenizer.json followed by tokenizer_config.json where there is one;
 *     null for a model without tokenizer.json, which can still take token ids
 */
public record ModelIdentity(String weightsSha256, String configSha256, String tokenizerSha256) {
  private static final int BUFFER_BYTES = 1 << 20;

  /**
   * Reads all files of a folder; this takes as long as reading the weights once.
   *
   * @throws IllegalArgumentException if weights or config.json are missing
   * @throws UncheckedIOException if a file cannot be read
   */
  static ModelIdentity of(Path folder) {
    Path config = folder.resolve("config.json");
    if (!Files.isRegularFile(config)) {
      throw new IllegalArgumentException("Cannot identify model " + folder + ": no config.json");
    }
    String weights = sha256(CheckpointFiles.of(folder).files());
    return new ModelIdentity(weights, sha256(List.of(config)), tokenizer(folder));
  }

  private static String tokenizer(Path folder) {
    Path tokenizer = folder.resolve("tokenizer.json");
    Path config = folder.resolve("tokenizer_config.json");
    if (!Files.isRegularFile(tokenizer)) {
      return null;
    }
    return sha256(Files.isRegularFile(config) ? List.of(tokenizer, config) : List.of(tokenizer));
  }

  private static String sha256(List<Path> files) {
    MessageDigest digest;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every Java platform has SHA-256", e);
    }
    byte[] buffer = new byte[BUFFER_BYTES];
    for (Path file : files) {
      try (InputStream in = Files.newInputStream(file)) {
        for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
          digest.update(buffer, 0, n);
        }
      } catch (IOException e) {
        throw new UncheckedIOException("Cannot read " + file + ": " + e.getMessage(), e);
      }
    }
    return HexFormat.of().formatHex(digest.digest());
  }
}
