// What the kernels of a layer's index share: the table of its heads, and where lists lie.
#pragma once

#include <cstdint>

namespace sparsefill {

enum Kind { DENSE = 0, A_SHAPE = 1, VERTICAL_SLASH = 2, BLOCK_SPARSE = 3, DILATED = 4 };

// One head. IndexPlan writes these ints in the same order.
struct HeadEntry {
  int head;       // which query head
  int kind;
  int first;      // A-shape, dilated: tiles at the begin; vertical-slash: columns; block-sparse: tiles
  int second;     // A-shape, dilated: distances of the window; vertical-slash: distances
  int firstAt;    // vertical-slash: where its chosen columns lie; block-sparse: its pooled queries;
                  // A-shape: first query tile that sees all keys; dilated: distances behind the window
  int secondAt;   // vertical-slash: where its chosen distances lie, and its spans
  int runs;       // most runs of one query tile
  int columns;    // most columns of one query tile
  int runsAt;     // where its runs begin in the lists of its group
  int columnsAt;  // where its columns begin
};

// The sum of min(limit, step * (m + offset)) over m from `from` to before `to`: ListCapacity.
__host__ __device__ __forceinline__ int64_t places(
    int64_t limit, int64_t step, int64_t offset, int64_t from, int64_t to) {
  const int64_t full = (limit + step - 1) / step - offset;
  const int64_t below = to < full ? to : full;
  const int64_t middle = from > below ? from : below;
  return (middle - from) * (from + middle - 1 + 2 * offset) / 2 * step + (to - middle) * limit;
}

// Where the runs and columns of query tile m lie; the lists begin with query tile `from`.
__host__ __device__ __forceinline__ int runsOf(const HeadEntry& entry, int from, int m) {
  return entry.runsAt + (int)places(entry.runs, 1, 2, from, m);
}

__host__ __device__ __forceinline__ int columnsOf(const HeadEntry& entry, int from, int m) {
  return entry.columnsAt + (int)places(entry.columns, 64, 1, from, m);
}

// The first key that a query sees.
__host__ __device__ __forceinline__ int firstKey(int query, int window) {
  const int first = query - window + 1;
  return window == 0 || first < 0 ? 0 : first;
}

}  // namespace sparsefill
