package io.sparsefill.job.export;

import io.sparsefill.job.read.CacheShape;
import io.sparsefill.job.read.StoredCache;
import io.sparsefill.kernels.KvDtype;
import java.io.IOException;
import java.io.OutputStream;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Pages of SGLang's HiCache, file backend: a full page of tokens is one file without a header, keys
 * before values, all layers in it, named {@code hash_model_rank_ranks.bin} by the chained SHA-256
 * of the token ids ({@link Sha256Tokens}). A page that the document does not fill is not stored.
 * SGLang finds the longest run of pages that a prompt begins with, so any question may follow the
 * document.
 *
 * <p>The blocks that one page lies in are in memory, of every layer, see {@link CacheRows}.
 */
final class SglangFormat implements CacheFormat {
  private static final Logger LOG = LoggerFactory.getLogger(SglangFormat.class);

  private static final FormatOption PAGE_SIZE =
      new FormatOption("page-size", "64", "SGLang's --page-size, in tokens");
  private static final FormatOption LAYOUT =
      new FormatOption(
          "layout",
          "layer_first",
          "SGLang's --hicache-mem-layout: layer_first or page_first_direct (keys [layers, tokens,"
              + " kv_heads, head_dim], then values), page_first (keys [tokens, layers, kv_heads,"
              + " head_dim], then values)");

  @Override
  public String name() {
    return "sglang";
  }

  @Override
  public String engine() {
    return "SGLang HiCache file backend of 2026 (read from its source; not run)";
  }

  @Override
  public Set<KvDtype> dtypes() {
    return ElementTypes.unscaled();
  }

  @Override
  public List<FormatOption> options() {
    return List.of(PAGE_SIZE, LAYOUT, Heads.OPTION);
  }

  @Override
  public void check(ExportContext context) {
    context.number(PAGE_SIZE.name(), 1);
    pageFirst(context);
    Heads.ofRanks(context);
  }

  @Override
  public void write(StoredCache cache, ExportContext context, ExportFolder folder)
      throws IOException {
    CacheShape shape = cache.shape();
    int pageSize = context.number(PAGE_SIZE.name(), 1);
    int tokens = shape.tokens() / pageSize * pageSize;
    if (tokens == 0) {
      LOG.warn(
          "Document {} has {} tokens and fills no page of {}: SGLang stores only full pages, so"
              + " nothing is exported of it",
          context.docId(),
          shape.tokens(),
          pageSize);
      return;
    }
    boolean pageFirst = pageFirst(context);
    List<Heads> ranks = Heads.ofRanks(context);
    int[] tokenIds = cache.tokenIds();
    PrefixHash hash = new Sha256Tokens();
    CacheRows rows = new CacheRows(cache);
    byte[] parent = hash.start();
    for (int from = 0; from < tokens; from += pageSize) {
      int to = from + pageSize;
      parent = hash.next(parent, tokenIds, from, to);
      rows.moveTo(from, to);
      for (Heads heads : ranks) {
        try (OutputStream out = folder.createShared(fileName(context, heads, parent))) {
          for (CacheRows.Side side : CacheRows.Side.values()) {
            if (pageFirst) {
              writeTokens(rows, side, shape.layers(), from, to, heads, out);
            } else {
              for (int layer = 0; layer < shape.layers(); layer++) {
                rows.write(side, layer, from, to, heads, out);
              }
            }
          }
        }
      }
    }
  }

  /** All layers of a token before the next token. */
  private static void writeTokens(
      CacheRows rows,
      CacheRows.Side side,
      int layers,
      int from,
      int to,
      Heads heads,
      OutputStream out)
      throws IOException {
    for (int token = from; token < to; token++) {
      for (int layer = 0; layer < layers; layer++) {
        rows.write(side, layer, token, token + 1, heads, out);
      }
    }
  }

  private static String fileName(ExportContext context, Heads heads, byte[] hash) {
    return HexFormat.of().formatHex(hash)
        + "_"
        + context.model().replace('/', '-')
        + "_"
        + heads.rank()
        + "_"
        + heads.ranks()
        + ".bin";
  }

  private static boolean pageFirst(ExportContext context) {
    return context
        .choice(LAYOUT.name(), "layer_first", "page_first", "page_first_direct")
        .equals("page_first");
  }
}
