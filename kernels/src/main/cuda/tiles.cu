// The lists that the attention walks, from the patterns and what was chosen for them: runs of key
// tiles and single columns of each (head, query tile). The content is that of IndexBuilders; the
// places are those of ListCapacity, so no kernel waits for another one's counts.
//
// The runs of vertical-slash heads repeat from query tile to query tile. A walk over the distances
// from far to near adds a tile where the ones before end short; after a gap of ISLAND distances it
// starts afresh, whatever was before. So `spans` walks each island of near distances once, relative
// to the query tile, and a query tile copies all islands but the one that the document's begin cuts
// for it, which it walks itself.
#include <cstddef>

#include "index_table.cuh"

using namespace sparsefill;

// Mirrored by a record on the Java side; `tiles_layout` lets a test compare the offsets.
struct TilesParams {
  const HeadEntry* entries;
  const int* lineHeads;          // which entries have lines
  const int* lines;
  int4* spans;                   // behind each head's distances: distance, tiles, tiles before, 0
  int* spanCounts;               // [heads]
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
    (int)offsetof(TilesParams, lineHeads),
    (int)offsetof(TilesParams, lines),
    (int)offsetof(TilesParams, spans),
    (int)offsetof(TilesParams, spanCounts),
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
constexpr unsigned ALL = 0xffffffffu;
constexpr int SPAN_THREADS = 256;
constexpr int LIST_THREADS = 256;
constexpr int LIST_ROWS = LIST_THREADS / 32;
constexpr int SETTLE_THREADS = 256;

// A tile begins before key row - distance + 64 and ends at most 127 keys behind row - distance.
constexpr int ISLAND = 128;

// The first i in [low, high) for which `holds` is true, or high; it must stay true behind. A warp
// looks at 32 places at a time.
template <typename Predicate>
__device__ __forceinline__ int firstOf(int low, int high, const Predicate& holds) {
  const int lane = threadIdx.x % 32;
  while (low < high) {
    const int step = (high - low + 31) / 32;
    const int at = low + lane * step;
    const int without = __popc(__ballot_sync(ALL, at < high && !holds(at)));
    const int next = without == 0 ? low : low + (without - 1) * step + 1;
    high = min(high, low + without * step);
    low = next;
  }
  return low;
}

__device__ __forceinline__ bool beginsIsland(const int* distances, int i) {
  return i == 0 || distances[i - 1] - distances[i] >= ISLAND;
}

// Walks the distances from `first` to the end of its island, for the query tile at `row`; tiles do
// not begin before `lowest`. Calls store(slot, start, tiles) for each run, with the position of the
// distance that begins it, and returns the position behind the island.
template <typename Store>
__device__ __forceinline__ int walkIsland(
    const int* distances, int count, int first, int row, int lowest, const Store& store) {
  const int lane = threadIdx.x % 32;
  int slot = first;
  int start = max(row - distances[first], lowest);
  int length = 1;
  int end = start + TILE;
  int at = first;
  while (true) {
    // The next distance whose tile ends behind `end`: at most 127 distances lie between.
    int next = at + 1;
    while (next < count) {
      const int i = next + lane;
      const unsigned behind = __ballot_sync(ALL, i < count && row - distances[i] + TILE > end);
      if (behind != 0) {
        next += __ffs(behind) - 1;
        break;
      }
      next += 32;
    }
    next = min(next, count);
    if (next == count || beginsIsland(distances, next)) {
      store(slot, start, length);
      return next;
    }
    const int begin = max(row - distances[next], end);
    if (begin == end) {
      length++;
    } else {
      store(slot, start, length);
      slot = next;
      start = begin;
      length = 1;
    }
    end = begin + TILE;
    at = next;
  }
}

__device__ __forceinline__ int4* rowOf(const TilesParams& p, int m) {
  const int64_t head = blockIdx.y;
  return m < p.firstTile ? p.rowsBefore + head * (p.firstTile - p.fromTile) + m - p.fromTile
                         : p.rows + head * (p.tiles - p.firstTile) + m - p.firstTile;
}

// The runs of one query tile, as one warp writes them.
struct Runs {
  int count;
  int tiles;
};

__device__ __forceinline__ Runs writeLines(
    const TilesParams& p, const HeadEntry& entry, int position, int m, int2* target) {
  const int lane = threadIdx.x % 32;
  const int row = m * TILE;
  const int* distances = p.lines + entry.secondAt;
  const int4* spans = p.spans + entry.secondAt;
  const int spanCount = p.spanCounts[position];
  // Distances before the document's begin, or before the window, are left out. Where the begin cuts
  // the window, a tile there counts as long as it reaches into it.
  const bool cut = p.window == 0 || row < p.window + TILE - 1;
  const int limit = cut ? row + TILE : p.window + TILE - 1;
  const int first =
      firstOf(0, entry.second, [&](int i) { return distances[i] < limit; });
  Runs runs = {0, 0};
  int next = first;
  if (distances[first] > row || !(beginsIsland(distances, first) || !cut)) {
    next = walkIsland(distances, entry.second, first, row, 0, [&](int, int start, int tiles) {
      tiles = min(tiles, (p.tokens - start + TILE - 1) / TILE);
      if (lane == 0) {
        target[runs.count] = make_int2(start, tiles);
      }
      runs.count++;
      runs.tiles += tiles;
    });
  }
  if (next < entry.second) {
    const int distance = distances[next];
    const int from = firstOf(0, spanCount, [&](int i) { return spans[i].x <= distance; });
    for (int i = from + lane; i < spanCount; i += 32) {
      const int start = row - spans[i].x;
      // The last query tile may end with the document: a tile behind it has no key.
      const int tiles = min(spans[i].y, (p.tokens - start + TILE - 1) / TILE);
      target[runs.count + i - from] = make_int2(start, tiles);
    }
    const int4 last = spans[spanCount - 1];
    runs.count += spanCount - from;
    runs.tiles += last.z - spans[from].z +
        min(last.y, (p.tokens - (row - last.x) + TILE - 1) / TILE);
  }
  return runs;
}

// Writes the columns of a query tile that no run holds, and returns how many they are.
__device__ __forceinline__ int writeColumns(
    const TilesParams& p, const HeadEntry& entry, int m, const int2* runs, int runCount,
    int* target) {
  const int lane = threadIdx.x % 32;
  const int* verticals = p.lines + entry.firstAt;
  const int oldest = firstKey(m * TILE, p.window);
  const int limit = runs[runCount - 1].x;
  const unsigned lower = (1u << lane) - 1;
  int count = 0;
  int before = 0;  // a run that does not begin behind any column that is still to come
  for (int base = 0; base < entry.first; base += 32) {
    const int key = base + lane < entry.first ? verticals[base + lane] : INT32_MAX;
    const int least = __shfl_sync(ALL, key, 0);
    const int most = __shfl_sync(ALL, key, 31);
    if (least >= limit) {
      break;
    }
    if (most < oldest) {
      continue;
    }
    // The last runs that begin at or before the least key and before the greatest; the first run
    // may begin behind both. Runs come 32 at a time, as columns do.
    unsigned atLeast;
    unsigned atMost;
    int from = before;
    while (true) {
      const bool present = from + lane < runCount;
      const int start = present ? runs[from + lane].x : 0;
      atLeast = __ballot_sync(ALL, present && start <= least);
      atMost = __ballot_sync(ALL, present && start <= most);
      if (atLeast != ALL) {
        break;
      }
      from += 31;
    }
    before = from + max(0, __popc(atLeast) - 1);
    int low = before;
    int high = max(low, from + __popc(atMost) - 1);
    if (atMost == ALL) {
      high = firstOf(from + 32, runCount, [&](int i) { return runs[i].x > most; }) - 1;
    }
    bool keep = key >= oldest && key < limit;
    while (low < high) {
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
    const unsigned kept = __ballot_sync(ALL, keep);
    if (keep) {
      target[count + __popc(kept & lower)] = key;
    }
    count += __popc(kept);
  }
  return count;
}

// Writes every second key between the first tiles and the window, as far as the head's distances go,
// and returns how many they are.
__device__ __forceinline__ int writeDilated(
    const TilesParams& p, const HeadEntry& entry, int m, int sinks, int local, int* target) {
  const int row = m * TILE;
  const int oldest = max(firstKey(row, p.window), row + 1 - entry.second - entry.firstAt);
  const int bound = max(sinks * TILE, oldest);
  const int first = bound + (bound + m) % 2;
  const int count = max(0, local * TILE - first + 1) / 2;
  for (int i = threadIdx.x % 32; i < count; i += 32) {
    target[i] = first + 2 * i;
  }
  return count;
}

// Adds the tiles of a warp's query tiles, one of each lane, to the head's totals.
__device__ __forceinline__ void addTotals(const TilesParams& p, int m, int tiles) {
  const int all = __reduce_add_sync(ALL, tiles);
  const int wanted = __reduce_add_sync(ALL, m >= p.firstTile ? tiles : 0);
  if (threadIdx.x % 32 == 0) {
    atomicAdd(&p.totals[blockIdx.y], (unsigned long long)all);
    atomicAdd(&p.totals[p.headCount + blockIdx.y], (unsigned long long)wanted);
  }
}

}  // namespace

extern "C" {
__constant__ int spans_launch[] = {SPAN_THREADS, 0, 1, 0};
__constant__ int lists_launch[] = {LIST_THREADS, 0, LIST_ROWS, 0};
__constant__ int settle_launch[] = {SETTLE_THREADS, 0, SETTLE_THREADS, 0};

// The runs of all islands of a head's distances, relative to a query tile; one block for each head
// with lines. First each run stands where the distance that begins it does, then they move together.
__global__ void __launch_bounds__(SPAN_THREADS) spans(const __grid_constant__ TilesParams p) {
  __shared__ int2 warpSums[SPAN_THREADS / 32];
  const int position = p.lineHeads[blockIdx.x];
  const HeadEntry& entry = p.entries[position];
  const int* distances = p.lines + entry.secondAt;
  int4* slots = p.spans + entry.secondAt;
  const int count = entry.second;
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  for (int i = threadIdx.x; i < count; i += SPAN_THREADS) {
    slots[i] = make_int4(0, 0, 0, 0);
  }
  __syncthreads();
  const int limit = p.window + TILE - 1;
  const int first = p.window == 0
      ? 0 : firstOf(0, count, [&](int i) { return distances[i] < limit; });
  for (int base = first + warp * 32; base < count; base += SPAN_THREADS) {
    const int i = base + lane;
    unsigned begins =
        __ballot_sync(ALL, i < count && (i == first || beginsIsland(distances, i)));
    for (; begins != 0; begins &= begins - 1) {
      walkIsland(distances, count, base + __ffs(begins) - 1, 0, INT32_MIN,
          [&](int slot, int start, int tiles) {
            if (lane == 0) {
              slots[slot] = make_int4(-start, tiles, 0, 0);
            }
          });
    }
  }
  __syncthreads();
  int2 before = make_int2(0, 0);  // runs and tiles
  for (int base = first; base < count; base += SPAN_THREADS) {
    const int i = base + threadIdx.x;
    int4 span = i < count ? slots[i] : make_int4(0, 0, 0, 0);
    const unsigned present = __ballot_sync(ALL, span.y > 0);
    int tiles = span.y;
#pragma unroll
    for (int step = 1; step < 32; step <<= 1) {
      const int below = __shfl_up_sync(ALL, tiles, step);
      tiles += lane >= step ? below : 0;
    }
    __syncthreads();  // everyone has read its slot, and the sums of the round before
    if (lane == 31) {
      warpSums[warp] = make_int2(__popc(present), tiles);
    }
    __syncthreads();
    int2 own = make_int2(__popc(present & ((1u << lane) - 1)), tiles - span.y);
    for (int w = 0; w < SPAN_THREADS / 32; w++) {
      own.x += w < warp ? warpSums[w].x : 0;
      own.y += w < warp ? warpSums[w].y : 0;
    }
    if (span.y > 0) {
      span.z = before.y + own.y;
      slots[before.x + own.x] = span;
    }
    for (int w = 0; w < SPAN_THREADS / 32; w++) {
      before.x += warpSums[w].x;
      before.y += warpSums[w].y;
    }
  }
  if (threadIdx.x == 0) {
    p.spanCounts[position] = before.x;
  }
}

// The runs and columns of each query tile, a warp for each. Those of block-sparse heads come from
// choose_tiles.
__global__ void __launch_bounds__(LIST_THREADS) lists(const __grid_constant__ TilesParams p) {
  __shared__ int tilesOfRow[LIST_ROWS];
  const int position = p.groupFirst + blockIdx.y;
  const HeadEntry& entry = p.entries[position];
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const int firstOfBlock = p.fromTile + blockIdx.x * LIST_ROWS;
  const int m = firstOfBlock + warp;
  int tiles = 0;
  if (m < p.tiles) {
    const int row = m * TILE;
    const int visible = firstKey(row, p.window) / TILE;
    const int place = runsOf(entry, p.fromTile, m);
    int2* target = p.runs + place;
    int4 list = make_int4(place, 1, 0, 0);
    if (entry.kind == VERTICAL_SLASH) {
      const Runs runs = writeLines(p, entry, position, m, target);
      __syncwarp();
      list.y = runs.count;
      list.z = columnsOf(entry, p.fromTile, m);
      list.w = writeColumns(p, entry, m, target, runs.count, p.columns + list.z);
      tiles = runs.tiles + (list.w + TILE - 1) / TILE;
    } else if (entry.kind == A_SHAPE || entry.kind == DILATED) {
      const bool all = entry.kind == A_SHAPE && m >= entry.firstAt;
      const int local = all ? visible : max(visible, max(0, row - entry.second + 1) / TILE);
      const int sinks = min(entry.first, local);
      const bool apart = visible < sinks && sinks < local;
      const int from = visible < sinks && !apart ? visible : local;
      if (lane == 0 && apart) {
        target[0] = make_int2(visible * TILE, sinks - visible);
      }
      if (lane == 0) {
        target[apart] = make_int2(from * TILE, m + 1 - from);
      }
      list.y = 1 + apart;
      if (entry.kind == DILATED) {
        list.z = columnsOf(entry, p.fromTile, m);
        list.w = writeDilated(p, entry, m, sinks, local, p.columns + list.z);
      }
      tiles = m + 1 - from + (apart ? sinks - visible : 0) + (list.w + TILE - 1) / TILE;
    } else if (entry.kind == DENSE) {
      if (lane == 0) {
        target[0] = make_int2(visible * TILE, m + 1 - visible);
      }
      tiles = m + 1 - visible;
    } else {
      tiles = min(entry.first, m + 1 - visible);
    }
    if (lane == 0 && entry.kind != BLOCK_SPARSE) {
      *rowOf(p, m) = list;
    }
  }
  if (lane == 0) {
    tilesOfRow[warp] = tiles;
  }
  __syncthreads();
  if (warp == 0) {
    addTotals(p, firstOfBlock + lane, lane < LIST_ROWS ? tilesOfRow[lane] : 0);
  }
}

// Decides by what a head costs over all query tiles, as HeadIndexing does: a document's numbers must
// not depend on which of its rows are read. The cost of block-sparse was no guess.
__global__ void __launch_bounds__(SETTLE_THREADS) settle(const __grid_constant__ TilesParams p) {
  const HeadEntry entry = p.entries[p.groupFirst + blockIdx.y];
  const bool open = entry.kind != DENSE && entry.kind != BLOCK_SPARSE;
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
