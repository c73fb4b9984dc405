// The lists that the attention walks, from the patterns and what was chosen for them: runs of key
// tiles and single columns of each (head, query tile). The content is that of IndexBuilders; the
// places are those of ListCapacity, so no kernel waits for another one's counts.
//
// Three launches: walk makes the runs, a thread for each query tile; columns adds the columns that
// no run holds, a warp for each query tile; settle replaces heads that cost as much as dense ones,
// and adds up what the index costs.
#include <cstddef>

#include "index_table.cuh"

using namespace sparsefill;

// Mirrored by a record on the Java side; `tiles_layout` lets a test compare the offsets.
struct TilesParams {
  const HeadEntry* entries;
  const int* lines;
  int4* rows;                    // [headCount][tiles - firstTile]
  int4* rowsBefore;              // [headCount][firstTile - fromTile]
  int2* runs;
  int* columns;
  unsigned long long* totals;    // [headCount]: tiles from fromTile on, then those from firstTile on
  unsigned long long* computed;  // adds up the tiles that the attention computes
  unsigned long long* sparse;    // adds up the heads that are not dense
  int64_t denseTiles;            // tiles of a dense head from query tile 0 on
  int64_t denseWanted;           // those from firstTile on
  int groupFirst;
  int headCount;
  int tokens;
  int fromTile;                  // first query tile that is built, to see what it costs
  int firstTile;                 // first query tile that is wanted
  int tiles;
  int window;
  int dispatch;
};

extern "C" {
__constant__ int tiles_layout[] = {
    (int)sizeof(TilesParams),
    (int)offsetof(TilesParams, entries),
    (int)offsetof(TilesParams, lines),
    (int)offsetof(TilesParams, rows),
    (int)offsetof(TilesParams, rowsBefore),
    (int)offsetof(TilesParams, runs),
    (int)offsetof(TilesParams, columns),
    (int)offsetof(TilesParams, totals),
    (int)offsetof(TilesParams, computed),
    (int)offsetof(TilesParams, sparse),
    (int)offsetof(TilesParams, denseTiles),
    (int)offsetof(TilesParams, denseWanted),
    (int)offsetof(TilesParams, groupFirst),
    (int)offsetof(TilesParams, headCount),
    (int)offsetof(TilesParams, tokens),
    (int)offsetof(TilesParams, fromTile),
    (int)offsetof(TilesParams, firstTile),
    (int)offsetof(TilesParams, tiles),
    (int)offsetof(TilesParams, window),
    (int)offsetof(TilesParams, dispatch)};
}

namespace {

constexpr int TILE = 64;
constexpr int WALK_THREADS = 128;
constexpr int COLUMN_THREADS = 256;
constexpr int COLUMN_ROWS = COLUMN_THREADS / 32;
constexpr int SETTLE_THREADS = 256;

// Distances that a block of walk holds at a time.
constexpr int HELD = 512;

__device__ __forceinline__ int4* rowOf(const TilesParams& p, int m) {
  const int64_t head = blockIdx.y;
  return m < p.firstTile ? p.rowsBefore + head * (p.firstTile - p.fromTile) + m - p.fromTile
                         : p.rows + head * (p.tiles - p.firstTile) + m - p.firstTile;
}

// Adds the tiles of a warp's query tiles, one of each lane, to the head's totals.
__device__ __forceinline__ void addTotals(const TilesParams& p, int m, int tiles) {
  const int all = __reduce_add_sync(0xffffffffu, tiles);
  const int wanted = __reduce_add_sync(0xffffffffu, m >= p.firstTile ? tiles : 0);
  if (threadIdx.x % 32 == 0 && all > 0) {
    atomicAdd(&p.totals[blockIdx.y], (unsigned long long)all);
    atomicAdd(&p.totals[p.headCount + blockIdx.y], (unsigned long long)wanted);
  }
}

// Writes the runs of one query tile: tiles that touch are one run.
struct RunWriter {
  int2* target;
  int count = 0;
  int start = 0;
  int length = 0;
  int total = 0;

  __device__ __forceinline__ explicit RunWriter(int2* target) : target(target) {}

  __device__ __forceinline__ void add(int key, int tiles) {
    if (length > 0 && key == start + length * TILE) {
      length += tiles;
    } else {
      flush();
      start = key;
      length = tiles;
    }
    total += tiles;
  }

  __device__ __forceinline__ void flush() {
    if (length > 0) {
      target[count++] = make_int2(start, length);
    }
  }
};

// Writes the columns of query tile m by one warp, and returns how many they are.
__device__ __forceinline__ int writeColumns(
    const TilesParams& p, const HeadEntry& entry, int m, const int4& row) {
  const int lane = threadIdx.x % 32;
  const int2* runs = p.runs + row.x;
  const int* verticals = p.lines + entry.firstAt;
  int* chosen = p.columns + row.z;
  const int oldest = firstKey(m * TILE, p.window);
  const int limit = runs[row.y - 1].x;
  const unsigned lower = (1u << lane) - 1;
  int count = 0;
  int before = 0;  // a run that does not begin behind any column that is still to come
  for (int base = 0; base < entry.first; base += 32) {
    const int key = base + lane < entry.first ? verticals[base + lane] : INT32_MAX;
    bool keep = key >= oldest && key < limit;
    // The last run that begins at or before the key; the first one may begin behind it.
    int low = before;
    int high = row.y - 1;
    while (keep && low < high) {
      const int middle = (low + high + 1) / 2;
      if (runs[middle].x <= key) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    if (keep) {
      const int2 run = runs[low];
      keep = key < run.x || key >= run.x + run.y * TILE;
    }
    const unsigned kept = __ballot_sync(0xffffffffu, keep);
    if (keep) {
      chosen[count + __popc(kept & lower)] = key;
    }
    count += __popc(kept);
    // Keys ascend, so the runs found do too: the next keys need not look before lane 31's.
    before = __shfl_sync(0xffffffffu, low, 31);
    if (__shfl_sync(0xffffffffu, key, 31) >= limit) {
      break;
    }
  }
  return count;
}

}  // namespace

extern "C" {
__constant__ int walk_launch[] = {WALK_THREADS, 0, WALK_THREADS, 0};
__constant__ int columns_launch[] = {COLUMN_THREADS, 0, COLUMN_ROWS, 0};
__constant__ int settle_launch[] = {SETTLE_THREADS, 0, SETTLE_THREADS, 0};

// The runs of each query tile. Its row says where they lie, and instead of the number of its
// columns, until columns knows that, how many tiles its runs have.
__global__ void __launch_bounds__(WALK_THREADS) walk(const __grid_constant__ TilesParams p) {
  __shared__ int held[HELD];
  const HeadEntry entry = p.entries[p.groupFirst + blockIdx.y];
  const int firstOfBlock = p.fromTile + blockIdx.x * WALK_THREADS;
  const int m = firstOfBlock + threadIdx.x;
  const bool present = m < p.tiles;
  const int row = m * TILE;
  const int oldest = firstKey(row, p.window);
  const int visible = oldest / TILE;
  const int place = present ? runsOf(entry, p.fromTile, m) : 0;
  RunWriter runs(p.runs + place);

  if (entry.kind == VERTICAL_SLASH) {
    const int* distances = p.lines + entry.secondAt;
    const int lastRow = min(firstOfBlock + WALK_THREADS, p.tiles) * TILE - TILE;
    int end = 0;
    for (int base = 0; base < entry.second; base += HELD) {
      const int count = min(HELD, entry.second - base);
      if (distances[base + count - 1] >= lastRow + TILE) {
        continue;  // distances descend: all of these lie before the first key
      }
      __syncthreads();
      for (int i = threadIdx.x; i < count; i += WALK_THREADS) {
        held[i] = distances[base + i];
      }
      __syncthreads();
#pragma unroll 4
      for (int i = 0; i < count; i++) {
        const int begin = row - held[i];
        const int start = max(begin, 0);
        // The last query tile may end with the document: a tile behind it has no key.
        const int stop = min(start + TILE, p.tokens);
        if (begin > -TILE && stop > end && stop > oldest && present) {
          const int key = max(start, end);
          runs.add(key, 1);
          end = key + TILE;
        }
      }
    }
  } else if (entry.kind == A_SHAPE) {
    const int local = max(visible, max(0, row - entry.second + 1) / TILE);
    const int sinks = min(entry.first, local);
    if (present && visible < sinks) {
      runs.add(visible * TILE, sinks - visible);
    }
    if (present) {
      runs.add(local * TILE, m + 1 - local);
    }
  } else if (entry.kind == DENSE && present) {
    runs.add(visible * TILE, m + 1 - visible);
  }

  if (entry.kind == BLOCK_SPARSE) {
    // Its runs and rows are those of choose_tiles.
    addTotals(p, m, present ? min(entry.first, m + 1 - visible) : 0);
    return;
  }
  if (present) {
    runs.flush();
    const bool open = entry.kind == VERTICAL_SLASH;
    *rowOf(p, m) = make_int4(place, runs.count, open ? columnsOf(entry, p.fromTile, m) : 0,
        open ? runs.total : 0);
  }
  if (entry.kind != VERTICAL_SLASH) {
    addTotals(p, m, runs.total);
  }
}

// The columns of each query tile: those that it may see before its last run and that no run holds.
__global__ void __launch_bounds__(COLUMN_THREADS) columns(const __grid_constant__ TilesParams p) {
  __shared__ int tilesOfRow[COLUMN_ROWS];
  const HeadEntry entry = p.entries[p.groupFirst + blockIdx.y];
  if (entry.kind != VERTICAL_SLASH) {
    return;
  }
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const int firstOfBlock = p.fromTile + blockIdx.x * COLUMN_ROWS;
  const int m = firstOfBlock + warp;
  int tiles = 0;
  if (m < p.tiles) {
    int4* target = rowOf(p, m);
    const int4 row = *target;
    const int count = writeColumns(p, entry, m, row);
    tiles = row.w + (count + TILE - 1) / TILE;
    if (lane == 0) {
      target->w = count;
    }
  }
  if (lane == 0) {
    tilesOfRow[warp] = tiles;
  }
  __syncthreads();
  if (warp == 0) {
    addTotals(p, firstOfBlock + lane, lane < COLUMN_ROWS ? tilesOfRow[lane] : 0);
  }
}

// Decides by what a head costs over all query tiles, as HeadIndexing does: a document's numbers must
// not depend on which of its rows are read. The cost of block-sparse was no guess.
__global__ void __launch_bounds__(SETTLE_THREADS) settle(const __grid_constant__ TilesParams p) {
  const HeadEntry entry = p.entries[p.groupFirst + blockIdx.y];
  const bool open = entry.kind == A_SHAPE || entry.kind == VERTICAL_SLASH;
  const bool replaced =
      p.dispatch && open && p.totals[blockIdx.y] >= (unsigned long long)p.denseTiles;
  const int m = p.firstTile + blockIdx.x * SETTLE_THREADS + threadIdx.x;
  if (replaced && m < p.tiles) {
    const int visible = firstKey(m * TILE, p.window) / TILE;
    const int place = runsOf(entry, p.fromTile, m);
    p.runs[place] = make_int2(visible * TILE, m + 1 - visible);
    *rowOf(p, m) = make_int4(place, 1, 0, 0);
  }
  if (blockIdx.x == 0 && threadIdx.x == 0) {
    const bool dense = replaced || entry.kind == DENSE;
    atomicAdd(p.computed, dense ? (unsigned long long)p.denseWanted
                                : p.totals[p.headCount + blockIdx.y]);
    atomicAdd(p.sparse, dense ? 0ull : 1ull);
  }
}
}
