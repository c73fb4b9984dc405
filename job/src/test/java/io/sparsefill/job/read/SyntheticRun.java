package io.sparsefill.job.read;

import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentStatus;
import io.sparsefill.job.output.Claim;
import io.sparsefill.job.output.KvCompression;
import io.sparsefill.job.output.OutputFolder;
import io.sparsefill.job.output.TableWriters;
import io.sparsefill.job.output.TaskOutput;
import io.sparsefill.job.output.WriterOptions;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.KvBlock;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import org.apache.hadoop.conf.Configuration;

/**
 * An output folder whose caches are drawn from their coordinates, written by the job's own writers:
 * what tests of reading and exporting compare with.
 */
public final class SyntheticRun implements AutoCloseable {
  private final CacheShape sizes;
  private final OutputFolder folder;
  private UnaryOperator<KvBlock> damage = block -> block;
  private UnaryOperator<int[]> forget = tokens -> tokens;
  private int wave;

  private SyntheticRun(CacheShape sizes, OutputFolder folder) {
    this.sizes = sizes;
    this.folder = folder;
  }

  /**
   * Four layers, two heads of eight elements, blocks of 16 tokens, bf16; documents set the rest.
   */
  public static CacheShape small() {
    return new CacheShape(1, 4, 2, 8, 16, KvDtype.BF16);
  }

  /** The fields of a run that readers need, and some that only a comparison looks at. */
  public static Map<String, String> identity(CacheShape sizes) {
    Map<String, String> identity = new TreeMap<>();
    identity.put("layers", "" + sizes.layers());
    identity.put("kv_heads", "" + sizes.kvHeads());
    identity.put("head_dim", "" + sizes.headDim());
    identity.put("kv_dtype", sizes.dtype().label());
    identity.put("block_tokens", "" + sizes.blockTokens());
    identity.put("emit", "kv");
    identity.put("last_positions", "1");
    identity.put("rope_theta", "10000.0");
    identity.put("rope_pairing", "half_split");
    identity.put("attention", "dense");
    identity.put("model_type", "llama");
    identity.put("rotary_dim", "" + sizes.headDim());
    identity.put("attention_digest", "aa");
    identity.put("model_config_sha256", "0c");
    identity.put("model_tokenizer_sha256", "07");
    identity.put("model_weights_sha256", "00ff");
    return identity;
  }

  /** Begins a run, {@link #small}. */
  public static SyntheticRun open(Path output, String runId) throws IOException {
    return open(output, runId, small(), identity(small()));
  }

  /** Begins a run. */
  public static SyntheticRun open(
      Path output, String runId, CacheShape sizes, Map<String, String> identity)
      throws IOException {
    Map<String, String> settings = Map.of("model", "/models/tiny");
    return new SyntheticRun(
        sizes,
        OutputFolder.open(
            new Configuration(),
            output.toString(),
            identity,
            runId,
            settings,
            Claim.of("run", "")));
  }

  /** Changes or drops (null) blocks before they are written. */
  public SyntheticRun damaging(UnaryOperator<KvBlock> change) {
    damage = change;
    return this;
  }

  /** Changes or drops (null) token ids before they are written. */
  public SyntheticRun forgetting(UnaryOperator<int[]> change) {
    forget = change;
    return this;
  }

  /** Commits documents, each name with its number of tokens, as one task with lanes of kv files. */
  public SyntheticRun commit(int lanes, Map<String, Integer> documents) throws IOException {
    Map<String, Integer> inOrder = new LinkedHashMap<>(new TreeMap<>(documents));
    List<DocumentRow> rows = new ArrayList<>();
    wave++;
    WriterOptions options = folder.writerOptions(wave, KvCompression.ZSTD, lanes);
    try (TableWriters writers = TableWriters.open(new Configuration(), options, 0, 1)) {
      for (Map.Entry<String, Integer> document : inOrder.entrySet()) {
        String docId = document.getKey();
        CacheShape shape = shape(document.getValue());
        for (int layer = 0; layer < shape.layers(); layer++) {
          for (int block = 0; block < shape.blocks(); block++) {
            KvBlock written = damage.apply(block(docId, shape, layer, block));
            if (written != null) {
              writers.kv(docId, written);
            }
          }
        }
        int[] tokens = forget.apply(tokens(docId, shape.tokens()));
        if (tokens != null) {
          writers.tokens(docId, tokens, shape.blockTokens());
        }
        rows.add(row(docId, shape.tokens(), DocumentStatus.OK, null));
      }
      TaskOutput output = writers.finish(rows);
      folder.commitWave(wave, List.of(output));
    }
    return this;
  }

  /** Commits a document that has a row and nothing else. */
  SyntheticRun commitRow(String docId, int tokens, DocumentStatus status, String error)
      throws IOException {
    wave++;
    folder.commitWave(
        wave, List.of(TaskOutput.ofDocuments(List.of(row(docId, tokens, status, error)))));
    return this;
  }

  private DocumentRow row(String docId, int tokens, DocumentStatus status, String error) {
    return new DocumentRow(
        docId,
        docId + ".txt",
        folder.runId() + docId,
        tokens,
        status,
        error,
        "dense",
        1.0,
        0.5,
        "cpu",
        folder.fingerprint(),
        folder.runId());
  }

  /** The shape of a document of so many tokens. */
  public CacheShape shape(int tokens) {
    return new CacheShape(
        tokens,
        sizes.layers(),
        sizes.kvHeads(),
        sizes.headDim(),
        sizes.blockTokens(),
        sizes.dtype());
  }

  /** Token ids by the document's name. */
  public static int[] tokens(String docId, int count) {
    return new Random(docId.hashCode()).ints(count, 0, 50_000).toArray();
  }

  /** A block by all its coordinates: normal numbers. */
  public static KvBlock block(String docId, CacheShape shape, int layer, int block) {
    Random random = new Random(31L * docId.hashCode() + 1009L * layer + block + shape.tokens());
    int count = shape.blockTokens(block);
    byte[] key = numbers(random, shape, count);
    byte[] value = numbers(random, shape, count);
    byte[] keyScale = scales(random, shape, count);
    byte[] valueScale = scales(random, shape, count);
    return new KvBlock(
        layer,
        block,
        shape.blockStart(block),
        count,
        shape.dtype(),
        key,
        value,
        keyScale,
        valueScale,
        KvBlock.checksum(key, value, keyScale, valueScale));
  }

  /** Any bytes, where the type has scales; else null. */
  private static byte[] scales(Random random, CacheShape shape, int tokens) {
    if (!shape.dtype().scaled()) {
      return null;
    }
    byte[] scales = new byte[tokens * shape.tokenScaleBytes()];
    random.nextBytes(scales);
    return scales;
  }

  /** Bytes of any kind, but for exponents that could make a number infinite. */
  private static byte[] numbers(Random random, CacheShape shape, int tokens) {
    byte[] bytes = new byte[tokens * shape.tokenBytes()];
    random.nextBytes(bytes);
    int width = shape.dtype().bytes();
    for (int i = width - 1; i < bytes.length; i += width) {
      bytes[i] &= (byte) 0xbf;
    }
    return bytes;
  }

  /** Ends the run. */
  @Override
  public void close() throws IOException {
    folder.close();
  }
}
