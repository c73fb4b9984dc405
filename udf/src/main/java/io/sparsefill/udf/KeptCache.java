package io.sparsefill.udf;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.Refill;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.udf.model.ModelConfig;
import java.util.Collections;
import java.util.List;

/**
 * The keys and values of a pre-filled document, kept on the device so that short chunks of tokens
 * can follow it: questions, given answers, and answers that the model makes token by token. A chunk
 * attends densely to everything before it, as decoding does after MInference's pre-fill, whatever
 * the pattern of the pre-fill was; a sliding window holds. {@link #rewind} takes chunks back, so
 * that several questions can follow the same document.
 *
 * <p>Rotary frequencies that depend on the length (dynamic NTK, and which factors LongRoPE takes)
 * stay those of the document's own length, because its keys were rotated by them. A chunk that
 * crosses LongRoPE's original length therefore differs from a pre-fill of both together;
 * transformers computes such a cache anew at that point.
 *
 * <p>Served by one thread at a time, and closed before its engine.
 */
public final class KeptCache implements AutoCloseable {
  private final Backend backend;
  private final ModelTensors model;
  private final DocumentTensors tensors;
  private final PrefillResult prefill;
  private final boolean everyState;
  private final Runnable afterClose;
  private int length;
  private boolean followed;
  private boolean closed;

  KeptCache(
      Backend backend,
      ModelTensors model,
      DocumentTensors tensors,
      PrefillResult prefill,
      boolean everyState,
      Runnable afterClose) {
    this.backend = backend;
    this.model = model;
    this.tensors = tensors;
    this.prefill = prefill;
    this.everyState = everyState;
    this.afterClose = afterClose;
    this.length = prefill.tokenCount();
  }

  /** How chunks attend: one pattern for each head. */
  static List<HeadPattern> dense(ModelConfig config) {
    return Collections.nCopies(config.heads(), new HeadPattern.Dense());
  }

  /** What the pre-fill of the document gave. */
  public PrefillResult prefill() {
    return prefill;
  }

  /**
   * Logits of the next token at positions of the document, as its own pre-fill left them; to be
   * asked before anything follows.
   *
   * @param positions each from 0 to T - 1
   * @return one row for each position [P][V]
   * @throws IllegalStateException if tokens have followed already, or the engine was opened without
   *     token log-likelihoods, so that the last layer was not computed for all positions
   */
  public float[][] documentLogits(int[] positions) throws InterruptedException {
    checkOpen();
    if (!everyState || followed) {
      throw new IllegalStateException(
          "Cannot read logits of the document: %s"
              .formatted(
                  followed
                      ? "tokens have followed it"
                      : "the last layer was not computed for all of its tokens; open the engine with nll or token-nll"));
    }
    Scores scores = new Scores(backend, model, tensors.work);
    float[][] logits = new float[positions.length][];
    for (int i = 0; i < positions.length; i++) {
      if (positions[i] < 0 || positions[i] >= prefill.tokenCount()) {
        throw new IllegalArgumentException(
            "Cannot read logits at position %,d: the document has %,d tokens"
                .formatted(positions[i], prefill.tokenCount()));
      }
      logits[i] = scores.logits(positions[i], positions[i] + 1)[0];
    }
    return logits;
  }

  /** Tokens in the cache: the document's, and those that followed. */
  public int length() {
    return length;
  }

  /** How many tokens may still follow. */
  public int room() {
    return tensors.positions() - length;
  }

  /**
   * Lets tokens follow what is in the cache.
   *
   * @param chunk token ids [C], C from 1 to {@link #room}
   * @param lastPositions N, after how many of the chunk's last tokens logits are wanted
   * @return logits of the next token after each of the last tokens, first of them first [min(N,
   *     C)][V]
   * @throws IllegalArgumentException for an empty chunk, one that is longer than the room, or an id
   *     outside the vocabulary
   * @throws InterruptedException if the thread is interrupted
   * @throws Exception what went wrong; the cache is then as it was before
   */
  public float[][] extend(int[] chunk, int lastPositions) throws Exception {
    checkOpen();
    if (chunk.length == 0 || chunk.length > room() || lastPositions < 1) {
      throw new IllegalArgumentException(
          "Cannot continue with %,d tokens and logits after the last %,d of them: the cache holds %,d tokens and has room for %,d more, and each number must be at least 1"
              .formatted(chunk.length, lastPositions, length, room()));
    }
    Prefill.checkIds("continue", chunk, model.config().vocab());
    int end = length + chunk.length;
    followed = true;
    try (LayerFeed weights = model.feed(backend, tensors.streamed)) {
      try {
        Workspace work = tensors.work;
        backend.embed(model.embedding(), chunk, 0, work.hidden.rows(length, chunk.length));
        for (int l = 0; l < model.config().layers(); l++) {
          layer(l, end, weights.layer(l));
          weights.done();
        }
        int first = end - Math.min(lastPositions, chunk.length);
        float[][] logits = new Scores(backend, model, work).logits(first, end);
        backend.complete();
        length = end;
        return logits;
      } catch (Exception | Error e) {
        Prefill.finish(backend, e);
        throw e;
      }
    }
  }

  /**
   * One layer for the tokens from {@link #length} to {@code end}. The attention computes whole
   * query tiles: rows of the first one that were there before hold what an earlier pass left in
   * them, and nobody reads what becomes of it.
   */
  private void layer(int l, int end, LayerTensors weights) throws InterruptedException {
    ModelConfig config = model.config();
    AttentionShape shape = Prefill.shape(config, l, end);
    Tensor keys = tensors.pairs[l].keys(end);
    Tensor values = tensors.pairs[l].values(end);
    Layer layer = new Layer(backend, config, weights, shape, tensors.work);
    layer.project(length, length, keys, values);
    layer.attend(dense(config), false, length / TILE, keys, values, index -> {});
    layer.feedForward(length, tensors.work.queries);
  }

  /**
   * Overwrites keys and values of the document with stored ones, such as those of another pre-fill
   * of the same tokens, rounded to another type: what follows reads them.
   *
   * @param block of a document that has as many tokens, from the same model
   * @throws IllegalArgumentException if the cache has no such layer or tokens, or the block's bytes
   *     are not those of its tokens
   */
  public void restore(KvBlock block) {
    checkOpen();
    int from = block.tokenStart();
    int end = from + block.tokenCount();
    int cols = model.config().kvHeads() * model.config().headDim();
    KvNumbers keys = KvNumbers.keys(block);
    KvNumbers values = KvNumbers.values(block);
    long wanted = (long) block.tokenCount() * cols;
    if (block.layer() < 0
        || block.layer() >= model.config().layers()
        || from < 0
        || end > prefill.tokenCount()
        || keys.count() != wanted
        || values.count() != wanted) {
      throw new IllegalArgumentException(
          "Cannot restore tokens %d to %d of layer %d with %,d keys and %,d values: the cache has %d layers of %,d tokens with %,d of either each"
              .formatted(
                  from,
                  end - 1,
                  block.layer(),
                  keys.count(),
                  values.count(),
                  model.config().layers(),
                  prefill.tokenCount(),
                  cols));
    }
    KvExit.Pair pair = tensors.pairs[block.layer()];
    try (Refill refill = backend.refill()) {
      refill.fill(new KvMatrix(keys, cols), pair.k.rows(from, block.tokenCount()));
      refill.fill(new KvMatrix(values, cols), pair.v.rows(from, block.tokenCount()));
      refill.use();
    }
  }

  /**
   * Forgets the tokens behind a length, down to the document's own.
   *
   * @throws IllegalArgumentException if the document is longer, or the cache shorter
   */
  public void rewind(int newLength) {
    checkOpen();
    if (newLength < prefill.tokenCount() || newLength > length) {
      throw new IllegalArgumentException(
          "Cannot rewind a cache of %,d tokens to %,d: the document has %,d"
              .formatted(length, newLength, prefill.tokenCount()));
    }
    length = newLength;
  }

  private void checkOpen() {
    if (closed) {
      throw new IllegalStateException("Cannot continue: the cache is closed");
    }
  }

  /** Frees the memory for the next document. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      try {
        tensors.close();
      } finally {
        afterClose.run();
      }
    }
  }
}
