// Copies of 64-row tiles from global to shared memory.
#pragma once

#include "tile_mma.cuh"

namespace sparsefill {

// How COPIERS threads share the copy of HEIGHT rows: each copies the same piece of every ROWS-th
// row, so that addresses cost one addition each. They would cost as much time as the products
// otherwise.
template <class Layout, int COPIERS, int HEIGHT>
struct Share {
  static constexpr int ROWS = COPIERS / Layout::CHUNKS;
  static constexpr int COPIES = (HEIGHT + ROWS - 1) / ROWS;

  unsigned row;  // of the first copy
  unsigned piece;

  __device__ __forceinline__ Share()
      : row((unsigned)threadNow() % COPIERS / Layout::CHUNKS),
        piece((unsigned)threadNow() % COPIERS % Layout::CHUNKS) {}

  // Whether copy i is this thread's. All have the same number where CHUNKS divides COPIERS.
  __device__ __forceinline__ bool has(int i) const {
    return (COPIERS % Layout::CHUNKS == 0 || row < ROWS)
        && ((i + 1) * ROWS <= HEIGHT || row + i * ROWS < HEIGHT);
  }

  // Where copy i goes, from the begin of the rows on. Rows that are multiples of 8 apart are laid
  // out alike, so few of these take a register.
  __device__ __forceinline__ unsigned target(int i) const {
    constexpr int PERIOD = 8 % ROWS == 0 ? 8 / ROWS : 1;
    return Layout::offset(row + i % PERIOD * ROWS, piece) +
        i / PERIOD * PERIOD * ROWS * Layout::ROW_BYTES;
  }
};

// Begins the copy of rows key .. key + 63 of a matrix, from `column` on, by COPIERS threads; rows
// from `tokens` on become zeros.
template <class Layout, int COPIERS>
__device__ __forceinline__ void copyRows(uint32_t tile, const bf16* matrix, int64_t stride,
    unsigned column, int key, int tokens) {
  using Part = Share<Layout, COPIERS, TILE>;
  const Part part;
  const bf16* source = matrix + ((key + part.row) * stride + (column + part.piece * 8));
  const int present = tokens - key - (int)part.row;
#pragma unroll
  for (int i = 0; i < Part::COPIES; i++) {
    if (part.has(i)) {
      copyAsync(tile + part.target(i), source, i * Part::ROWS < present);
    }
    source += Part::ROWS * stride;
  }
}

}  // namespace sparsefill
