package io.sparsefill.udf;

import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.PackedRows;
import io.sparsefill.kernels.Tensor;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The blocks of one layer's keys and values, in order. They leave the device in large pieces, a few
 * of them at a time; threads cut each piece into blocks and compute the checksums while the next
 * ones are on their way.
 */
final class LayerBlocks {
  /** Pieces of keys and of values that are on their way or being cut. */
  private static final int PIECES = 3;

  /** What an array of the JVM holds. */
  private static final int MOST_BYTES = Integer.MAX_VALUE - 8;

  private final Backend backend;
  private final SideThread cutters;
  private final int layer;
  private final Tensor keys;
  private final Tensor values;
  private final KvDtype dtype;
  private final int headDim;
  private final int tokens;
  private final int blockTokens;
  private final int pieceTokens;
  private final Deque<CompletableFuture<Void>> uncut = new ArrayDeque<>();
  private final Deque<Block> blocks = new ArrayDeque<>();
  private int started; // tokens that are in a piece
  private int taken; // tokens of the blocks that next() returned

  LayerBlocks(
      Backend backend,
      SideThread cutters,
      int layer,
      Tensor keys,
      Tensor values,
      KvDtype dtype,
      int headDim,
      int blockTokens) {
    this.backend = backend;
    this.cutters = cutters;
    this.layer = layer;
    this.keys = keys;
    this.values = values;
    this.dtype = dtype;
    this.headDim = headDim;
    this.tokens = Math.toIntExact(keys.rows());
    this.blockTokens = blockTokens;
    long blockBytes = Math.min(tokens, blockTokens) * keys.cols() * dtype.bytes();
    if (blockBytes > MOST_BYTES) {
      throw new IllegalArgumentException(
          "Cannot cut keys and values into blocks of %,d tokens: each would have %,d bytes of either, and at most %,d are possible; use a smaller --block-tokens"
              .formatted(blockTokens, blockBytes, MOST_BYTES));
    }
    int most = Math.min(tokens, backend.packedRows(keys.cols(), dtype, headDim));
    // Whole blocks, where they are not larger than a piece.
    this.pieceTokens = most > blockTokens ? most / blockTokens * blockTokens : most;
  }

  /** The next block, or null after the last; it may still be on its way. */
  CompletableFuture<KvBlock> next() throws Exception {
    if (taken == tokens) {
      return null;
    }
    int end = (int) Math.min(tokens, (long) taken + blockTokens);
    while (started < Math.min(tokens, end + (PIECES - 1L) * pieceTokens)) {
      while (uncut.size() >= PIECES) {
        uncut.poll().get();
      }
      startPiece();
    }
    taken = end;
    return blocks.poll().whole;
  }

  private void startPiece() {
    int from = started;
    int count = Math.min(pieceTokens, tokens - from);
    int parts = (from + count - 1) / blockTokens - from / blockTokens + 1;
    Piece piece = new Piece(from, count, parts);
    uncut.add(piece.cut);
    started = from + count;
    for (int at = from; at < started; ) {
      int start = at / blockTokens * blockTokens;
      if (at == start) {
        blocks.add(new Block(start, Math.min(blockTokens, tokens - start)));
      }
      Block block = blocks.getLast();
      int first = at;
      int end = Math.min(started, start + block.count);
      cutters.execute(() -> block.cut(piece, first, end - first));
      at = end;
    }
  }

  /** Rows that leave the device together. */
  private final class Piece {
    private final int from;
    private final PackedRows keyRows;
    private final PackedRows valueRows;
    private final AtomicInteger parts;
    private final CompletableFuture<Void> cut = new CompletableFuture<>();

    Piece(int from, int count, int parts) {
      this.from = from;
      this.parts = new AtomicInteger(parts);
      this.keyRows = backend.pack(keys.rows(from, count), dtype, headDim);
      boolean complete = false;
      try {
        this.valueRows = backend.pack(values.rows(from, count), dtype, headDim);
        complete = true;
      } finally {
        if (!complete) {
          keyRows.close();
        }
      }
    }

    void partIsCut() {
      if (parts.decrementAndGet() > 0) {
        return;
      }
      try {
        keyRows.close();
        valueRows.close();
        cut.complete(null);
      } catch (RuntimeException | Error e) {
        cut.completeExceptionally(e);
      }
    }
  }

  /** A block whose bytes come from one piece, or from several when it is larger than those. */
  private final class Block {
    private final int start;
    private final int count;
    private final AtomicInteger missing;
    private final CompletableFuture<KvBlock> whole = new CompletableFuture<>();
    private byte[] key;
    private byte[] value;
    private byte[] keyScale; // null where the type has no scales
    private byte[] valueScale;
    private Throwable failure;
    private long failureOrder = Long.MAX_VALUE;

    Block(int start, int count) {
      this.start = start;
      this.count = count;
      this.missing = new AtomicInteger(count);
    }

    /** Copies tokens [from, from + n) of a piece; the last of its parts completes the block. */
    void cut(Piece piece, int from, int n) {
      try {
        allocate();
        copy("keys", piece.keyRows, key, keyScale, piece.from, from, n);
        copy("values", piece.valueRows, value, valueScale, piece.from, from, n);
      } catch (RuntimeException | Error e) { // thrown on by whoever waits for the block
        failed(e, from - start);
      } finally {
        piece.partIsCut();
      }
      if (missing.addAndGet(-n) == 0) {
        complete();
      }
    }

    private synchronized void allocate() {
      if (key == null) {
        int bytes = Math.toIntExact(count * keys.cols() * dtype.bytes());
        key = new byte[bytes];
        value = new byte[bytes];
        if (dtype.scaled()) {
          int scales = Math.toIntExact(count * (keys.cols() / headDim) * dtype.scaleBytes());
          keyScale = new byte[scales];
          valueScale = new byte[scales];
        }
      }
    }

    private void copy(
        String what,
        PackedRows rows,
        byte[] target,
        byte[] scales,
        int pieceFrom,
        int from,
        int n) {
      int row = from - start;
      try {
        rows.copy(from - pieceFrom, n, row, target, row * (target.length / count));
        if (scales != null) {
          rows.copyScales(from - pieceFrom, n, scales, row * (scales.length / count));
        }
      } catch (ArithmeticException e) {
        // Keys come before values, as if each were packed as a whole.
        long order = what.equals("keys") ? row : (long) count + row;
        failed(
            new ArithmeticException(
                "Layer %d, %s from token %d on: %s".formatted(layer, what, start, e.getMessage())),
            order);
      }
    }

    /** Keeps the first failure in the order of the block's bytes, whichever thread meets it. */
    private synchronized void failed(Throwable e, long order) {
      if (order < failureOrder) {
        failure = e;
        failureOrder = order;
      }
    }

    private synchronized void complete() {
      if (failure != null) {
        whole.completeExceptionally(failure);
        return;
      }
      whole.complete(
          new KvBlock(
              layer,
              start / blockTokens,
              start,
              count,
              dtype,
              key,
              value,
              keyScale,
              valueScale,
              KvBlock.checksum(key, value, keyScale, valueScale)));
    }
  }
}
