// Which keys the queries of a warp see, and the masking of scores of the others.
#pragma once

#include "warp_tile.cuh"

namespace sparsefill {

constexpr int ALL_BANDS = 3;

// The first and the last key that each of a lane's rows sees. The first row of the block is query
// `row`, that of the warp is `warpRow` behind it, and band b is APART * b behind that; it sees
// nothing unless bit b of `bands` is set.
struct Sight {
  int first[LANE_ROWS];
  int last[LANE_ROWS];

  template <int APART>
  static __device__ __forceinline__ Sight of(int row, unsigned warpRow, int bands, int window) {
    Sight sight;
#pragma unroll
    for (int r = 0; r < LANE_ROWS; r++) {
      const unsigned lane = (unsigned)threadNow() % 32;
      const int query = row + warpRow + APART * (r / 2) + 8 * (r % 2) + lane / 4;
      sight.first[r] = window == 0 ? 0 : query - window + 1;
      sight.last[r] = (bands >> r / 2 & 1) != 0 ? query : -1;
    }
    return sight;
  }

  // Replaces the scores of one key, column i of the lane's columns 2 n and 2 n + 1.
  __device__ __forceinline__ void mask(Scores& s, int n, int i, int key) const {
#pragma unroll
    for (int r = 0; r < LANE_ROWS; r++) {
      float& score = s[r / 2][n][2 * (r % 2) + i];
      score = key >= first[r] && key <= last[r] ? score : NEGATIVE_INFINITY;
    }
  }
};

// Replaces the scores of keys that a query may not see, in a tile that begins at `key`. The block
// has ROWS rows; see Sight for the rest.
template <int ROWS, int APART>
__device__ __forceinline__ void maskTile(
    Scores& s, int key, int row, unsigned warpRow, int bands, int window) {
  // The last rows of the last tile may lie behind the document; their window only masks too much.
  const int oldest = window == 0 ? 0 : row + ROWS - window;
  if (bands == ALL_BANDS && key + TILE - 1 <= row && key >= oldest) {
    return;
  }
  const Sight sight = Sight::of<APART>(row, warpRow, bands, window);
#pragma unroll
  for (int n = 0; n < TILE / 8; n++) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      sight.mask(s, n, i, key + n * 8 + 2 * ((unsigned)threadNow() % 4) + i);
    }
  }
}

// The same for `count` gathered columns, whose `keys` ascend; scores behind the last are of no
// key.
template <int ROWS, int APART>
__device__ __forceinline__ void maskColumns(
    Scores& s, const int* keys, int count, int row, unsigned warpRow, int window) {
  const int oldest = window == 0 ? 0 : row + ROWS - window;
  if (count == TILE && keys[TILE - 1] <= row && keys[0] >= oldest) {
    return;
  }
  const Sight sight = Sight::of<APART>(row, warpRow, ALL_BANDS, window);
#pragma unroll
  for (int n = 0; n < TILE / 8; n++) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int c = n * 8 + 2 * ((unsigned)threadNow() % 4) + i;
      sight.mask(s, n, i, c < count ? keys[c] : INT32_MAX);
    }
  }
}

}  // namespace sparsefill
