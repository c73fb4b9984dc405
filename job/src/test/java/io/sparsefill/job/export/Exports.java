package io.sparsefill.job.export;

import io.sparsefill.job.read.CacheShape;
import io.sparsefill.job.read.StoredCache;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;

/** One document through one format, as the export's task does it. */
final class Exports {
  private Exports() {}

  /** What the format is told, with its standard settings but for those given. */
  static ExportContext context(
      CacheFormat format, StoredCache cache, String model, Map<String, String> settings) {
    CacheShape shape = cache.shape();
    Map<String, String> identity = new HashMap<>();
    identity.put("model_type", "llama");
    identity.put("model_config_sha256", "c0");
    identity.put("model_tokenizer_sha256", "70");
    identity.put("model_weights_sha256", "3e");
    identity.put("attention", "minference");
    identity.put("attention_digest", "a7");
    identity.put("kv_heads", Integer.toString(shape.kvHeads()));
    identity.put("head_dim", Integer.toString(shape.headDim()));
    identity.put("rotary_dim", Integer.toString(shape.headDim()));
    identity.put("kv_dtype", shape.dtype().label());
    Map<String, String> options = new HashMap<>();
    format.options().forEach(option -> options.put(option.name(), option.standard()));
    settings.forEach(
        (name, value) -> {
          // identity.X sets a field of the identity.
          if (name.startsWith("identity.")) {
            identity.put(name.substring("identity.".length()), value);
          } else if (options.replace(name, value) == null) {
            throw new IllegalArgumentException(format.name() + " has no option " + name);
          }
        });
    return new ExportContext(cache.docId(), model, "f1", identity, options);
  }

  /** The files of a document. */
  static Map<String, byte[]> files(
      CacheFormat format, StoredCache cache, Map<String, String> settings) throws IOException {
    ExportContext context = context(format, cache, "org/needle-2m", settings);
    format.check(context);
    FilesInMemory folder = new FilesInMemory();
    format.write(cache, context, folder);
    return folder.files;
  }
}
