package io.sparsefill.job.command;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;

/** A model that cannot compute documents with a certain token. */
final class BrokenModel {
  private BrokenModel() {}

  /** A copy of the bundled model, in a folder, with one row of its embedding replaced by NaN. */
  static Path withNanEmbedding(Path folder, int token) throws IOException {
    Path model = Files.createDirectory(folder.resolve("nan-model"));
    for (String name : new String[] {"config.json", "tokenizer.json"}) {
      Files.copy(Cli.MODEL.resolve(name), model.resolve(name));
    }
    ByteBuffer weights =
        ByteBuffer.wrap(Files.readAllBytes(Cli.MODEL.resolve("model.safetensors")))
            .order(ByteOrder.LITTLE_ENDIAN);
    int header = Math.toIntExact(weights.getLong(0));
    JsonNode embedding =
        new ObjectMapper()
            .readTree(weights.array(), Long.BYTES, header)
            .path("model.embed_tokens.weight");
    int width = embedding.path("shape").get(1).asInt();
    int row =
        Long.BYTES + header + embedding.path("data_offsets").get(0).asInt() + token * width * 2;
    for (int i = 0; i < width; i++) {
      weights.putShort(row + 2 * i, (short) 0x7fc0); // bf16 NaN
    }
    Files.write(model.resolve("model.safetensors"), weights.array());
    return model;
  }
}
