package io.sparsefill.job.export;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.job.read.CacheShape;
import io.sparsefill.job.read.StoredCache;
import io.sparsefill.kernels.KvDtype;
import java.io.IOException;
import java.io.OutputStream;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Objects of LMCache's file-system adapter (multiprocess mode): a chunk of tokens is one file
 * without a header, {@code [2, layers, tokens, kv_heads * head_dim]} (LMCache's {@code KV_2LTD}),
 * named {@code model@rank@group@hash[@salt].data}. A chunk's hash depends on all tokens before it
 * ({@link PrefixHash}) and, where asked for, on the identity of model and attention ({@link
 * LmcacheIdentity}). LMCache finds the longest run of chunks that a prompt begins with, so any
 * question may follow the document.
 *
 * <p>The blocks that one chunk lies in are in memory, of every layer, see {@link CacheRows}.
 */
final class LmcacheFormat implements CacheFormat {
  private static final Logger LOG = LoggerFactory.getLogger(LmcacheFormat.class);

  private static final FormatOption CHUNK_SIZE =
      new FormatOption("chunk-size", "256", "LMCache's chunk_size, in tokens");
  private static final FormatOption SAVE_UNFULL_CHUNK =
      new FormatOption(
          "save-unfull-chunk",
          "false",
          "true: the document's end is stored too when it does not fill a chunk");
  private static final FormatOption HASH =
      new FormatOption("hash", "blake3", "LMCache's hash algorithm: blake3 or sha256_cbor");
  private static final FormatOption HASH_SEED =
      new FormatOption(
          "hash-seed", "0", "PYTHONHASHSEED of the engine's processes; for sha256_cbor");
  private static final FormatOption CACHE_SALT =
      new FormatOption("cache-salt", "", "LMCache's cache_salt of the requests that may hit");
  private static final FormatOption IDENTITY =
      new FormatOption(
          "cache-identity",
          "none",
          "run: the run's identity goes into the names, and lmcache-request-configs.json says what"
              + " requests must carry");

  /** Where {@code cache-identity=run} says what requests carry. */
  static final String REQUEST_CONFIGS = "lmcache-request-configs.json";

  /** LMCache takes up to 128 characters and none of its own or the file system's separators. */
  private static final Pattern SALT = Pattern.compile("[^@/\\\\\\x00]{0,128}");

  @Override
  public String name() {
    return "lmcache";
  }

  @Override
  public String engine() {
    return "LMCache multiprocess fs adapter of 2026 (read from its source; not run)";
  }

  @Override
  public Set<KvDtype> dtypes() {
    return ElementTypes.unscaled();
  }

  @Override
  public List<FormatOption> options() {
    return List.of(
        CHUNK_SIZE, SAVE_UNFULL_CHUNK, HASH, HASH_SEED, CACHE_SALT, IDENTITY, Heads.OPTION);
  }

  @Override
  public void check(ExportContext context) {
    context.number(CHUNK_SIZE.name(), 1);
    context.choice(SAVE_UNFULL_CHUNK.name(), "true", "false");
    hash(context);
    Heads.ofRanks(context);
    identity(context, KvDtype.of(context.identity("kv_dtype")));
    if (context.model().contains("@")) {
      throw new IllegalArgumentException(
          "Cannot export model '"
              + context.model()
              + "' to LMCache: its names must not contain '@'; give another --model-name");
    }
    String salt = context.option(CACHE_SALT.name());
    if (!SALT.matcher(salt).matches()) {
      throw new IllegalArgumentException(
          "Cannot use --set cache-salt="
              + salt
              + ": at most 128 characters, none of them '@', '/', '\\' or NUL");
    }
  }

  @Override
  public void write(StoredCache cache, ExportContext context, ExportFolder folder)
      throws IOException {
    CacheShape shape = cache.shape();
    int chunkSize = context.number(CHUNK_SIZE.name(), 1);
    boolean unfull = Boolean.parseBoolean(context.option(SAVE_UNFULL_CHUNK.name()));
    int tokens = unfull ? shape.tokens() : shape.tokens() / chunkSize * chunkSize;
    if (tokens == 0) {
      LOG.warn(
          "Document {} has {} tokens and fills no chunk of {}: nothing is exported of it; --set"
              + " save-unfull-chunk=true stores it where LMCache is set up so, too",
          context.docId(),
          shape.tokens(),
          chunkSize);
      return;
    }
    LmcacheIdentity identity = identity(context, shape.dtype());
    if (identity != null) {
      try (OutputStream out = folder.createShared(REQUEST_CONFIGS)) {
        out.write(new ObjectMapper().writeValueAsBytes(identity.requestConfigs()));
      }
    }
    List<Heads> ranks = Heads.ofRanks(context);
    PrefixHash hash = hash(context);
    int[] tokenIds = cache.tokenIds();
    CacheRows rows = new CacheRows(cache);
    byte[] parent = hash.start();
    for (int from = 0; from < tokens; from += chunkSize) {
      int to = Math.min(tokens, from + chunkSize);
      parent = hash.next(parent, tokenIds, from, to);
      byte[] named = identity == null ? parent : identity.bind(parent);
      rows.moveTo(from, to);
      for (Heads heads : ranks) {
        try (OutputStream out = folder.createShared(fileName(context, heads, named))) {
          for (CacheRows.Side side : CacheRows.Side.values()) {
            for (int layer = 0; layer < shape.layers(); layer++) {
              rows.write(side, layer, from, to, heads, out);
            }
          }
        }
      }
    }
  }

  /**
   * LMCache packs the numbers of ranks and of this rank, in all and on this host, into 8 bits each;
   * all layers of a plain decoder are one group of objects, number 0.
   */
  private static String fileName(ExportContext context, Heads heads, byte[] hash) {
    int kvRank = heads.ranks() << 24 | heads.rank() << 16 | heads.ranks() << 8 | heads.rank();
    String salt = context.option(CACHE_SALT.name());
    return String.format(
        Locale.ROOT,
        "%s@0x%08x@0@%s%s.data",
        context.model().replace("/", "-SEP-"),
        kvRank,
        HexFormat.of().formatHex(hash),
        salt.isEmpty() ? "" : "@" + salt);
  }

  private static PrefixHash hash(ExportContext context) {
    return context.choice(HASH.name(), "blake3", "sha256_cbor").equals("blake3")
        ? new Blake3Tokens()
        : new Sha256Cbor(context.option(HASH_SEED.name()));
  }

  /** The run as LMCache describes it; null when names are to be without it. */
  private static LmcacheIdentity identity(ExportContext context, KvDtype dtype) {
    if (context.choice(IDENTITY.name(), "none", "run").equals("none")) {
      return null;
    }
    String attention = context.identity("attention");
    boolean dense = attention.equals("dense");
    return new LmcacheIdentity(
        context.identity("model_config_sha256"),
        context.identity("model_tokenizer_sha256"),
        context.identity("model_weights_sha256"),
        "tp" + context.option(Heads.OPTION.name()),
        "sparsefill-" + context.fingerprint(),
        ElementTypes.torch(dtype),
        dense ? null : attention,
        dense ? null : context.identity("attention_digest"));
  }
}
