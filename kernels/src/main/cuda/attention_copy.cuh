// The warpgroup of an attention block of sm_90a that copies: it walks the lists of the block's query
// tiles and fills stage after stage with what they name.
#pragma once

#include "attention_stages.cuh"

namespace sparsefill {

// The key tiles of a query tile's runs, one after the other. Each lane holds one of 32 runs, so that
// memory is waited for once in 32 runs.
struct Runs {
  int first;  // run, of the list of this query tile
  int count;
  int next = 0;
  int2 held;
  int key;  // of the tile at hand; INT32_MAX after the last
  int left;

  __device__ __forceinline__ Runs(const AttentionParams& p, const int4& row)
      : first(row.x), count(row.y) {
    begin(p);
  }

  __device__ __forceinline__ void begin(const AttentionParams& p) {
    if (next == count) {
      key = INT32_MAX;
      return;
    }
    if (next % 32 == 0) {
      const int run = next + threadIdx.x % 32;
      if (run < count) {
        held = p.runs[first + run];
      }
    }
    key = __shfl_sync(0xffffffffu, held.x, next % 32);
    left = __shfl_sync(0xffffffffu, held.y, next % 32);
    next++;
  }

  __device__ __forceinline__ void advance(const AttentionParams& p) {
    key += TILE;
    if (--left == 0) {
      begin(p);
    }
  }
};

// The single columns of a query tile, 64 at a time: this lane's key of those at hand is read ahead.
struct Columns {
  int next;
  int left;
  int ahead;

  __device__ __forceinline__ Columns(const AttentionParams& p, const int4& row, int place)
      : next(row.z + place), left(row.w), ahead(read(p, place)) {}

  __device__ __forceinline__ int read(const AttentionParams& p, int place) const {
    return place < left ? p.columns[next] : INT32_MAX;
  }

  __device__ __forceinline__ int take(const AttentionParams& p, int place) {
    const int key = ahead;
    next += TILE;
    left -= TILE;
    ahead = read(p, place);
    return key;
  }
};

// The part of this lane in copying a stage: its warp brings 16 of the 64 rows, ROWS at once.
template <int D>
struct Copies {
  static constexpr int LANES = D > 64 ? 16 : 8;  // of a row; if D = 96, four of them have no part
  static constexpr int ROWS = 32 / LANES;
  const bf16* k;    // this lane's 16 bytes of key 0 and value 0
  const bf16* v;
  int first;        // row of a tile
  uint32_t target;  // from the tile's begin; also that of row + ROWS * i, but for its swizzling
  bool part;

  __device__ __forceinline__ Copies(const AttentionParams& p, int group)
      : first(threadIdx.x / 32 * 16 + threadIdx.x % 32 / LANES),
        target(swizzled(first, threadIdx.x % LANES)),
        part(threadIdx.x % LANES < D / 8) {
    k = p.k + group * D + threadIdx.x % LANES * 8;
    v = p.v + group * D + threadIdx.x % LANES * 8;
  }

  __device__ __forceinline__ uint32_t place(int slot, int i) const {
    return ((Ring<D>::keyTile(slot) + target) ^ (i * ROWS % 8 * 16)) + i * ROWS * 128;
  }

  // Keys `at` to `at` + 63, all of them in the document.
  __device__ __forceinline__ void run(const AttentionParams& p, int slot, int at) const {
    if (part) {
      const bf16* fromK = k + (at + first) * p.ldk;
      const bf16* fromV = v + (at + first) * p.ldv;
#pragma unroll
      for (int i = 0; i < 16 / ROWS; i++) {
        copyAsync(place(slot, i), fromK, true);
        copyAsync(place(slot, i) + Ring<D>::TILE_BYTES, fromV, true);
        fromK += ROWS * p.ldk;
        fromV += ROWS * p.ldv;
      }
    }
  }

  // Any keys: `key` is that of row lane % 16 of the warp's. Those after the document become zeros.
  __device__ __forceinline__ void gather(const AttentionParams& p, int slot, int key) const {
    const int row = threadNow() % 32 / LANES;
#pragma unroll
    for (int i = 0; i < 16 / ROWS; i++) {
      const int from = __shfl_sync(0xffffffffu, key, row + ROWS * i);
      const bool present = from < p.tokens;
      const int64_t source = present ? from : 0;
      if (part) {
        copyAsync(place(slot, i), k + source * p.ldk, present);
        copyAsync(place(slot, i) + Ring<D>::TILE_BYTES, v + source * p.ldv, present);
      }
    }
  }
};

// The copying warpgroup.
template <int D>
__device__ __forceinline__ void copyAll(
    const AttentionParams& p, int group, const int4& row0, const int4& row1) {
  const Copies<D> copies(p, group);
  const int place = threadIdx.x / 32 * 16 + threadIdx.x % 16;  // of this lane's key in a tile
  Runs runs0(p, row0);
  Runs runs1(p, row1);
  Columns columns0(p, row0, place);
  Columns columns1(p, row1, place);
  unsigned stage = 0;
  for (int turn = 0;; turn ^= 1) {
    int2 step = {min(runs0.key, runs1.key), 0};
    int key;
    if (step.x != INT32_MAX) {
      key = step.x + place;
      if (runs0.key == step.x) {
        step.y |= 1;
        runs0.advance(p);
      }
      if (runs1.key == step.x) {
        step.y |= 2;
        runs1.advance(p);
      }
    } else {
      step.x = -1;
      if (columns0.left > 0 && (turn == 0 || columns1.left <= 0)) {
        step.y = 1;
        key = columns0.take(p, place);
      } else if (columns1.left > 0) {
        step.y = 2;
        key = columns1.take(p, place);
      }
    }
    const int slot = slotOf(stage);
    waitForPhase(Ring<D>::free(slot), parityOf(stage) ^ 1);
    if (threadIdx.x == 0) {
      *Ring<D>::step(slot) = 4 * step.x + step.y;
    }
    if (step.x >= 0 && step.x <= p.tokens - TILE) {
      copies.run(p, slot, step.x);
    } else if (step.y != 0) {
      if (step.x < 0 && threadIdx.x % 32 < 16) {
        Ring<D>::keys(slot)[place] = key;
      }
      copies.gather(p, slot, key);
    }
    arriveAfterCopies(Ring<D>::filled(slot));
    __syncwarp();
    if (threadIdx.x % 32 == 0) {
      arrive(Ring<D>::filled(slot));  // for the step and the keys, which are no copies
    }
    if (step.y == 0) {
      return;
    }
    stage++;
  }
}

}  // namespace sparsefill
