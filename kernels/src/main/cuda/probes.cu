// Line scores that are means over rows along the document, and bands of diagonals, as LineMeans and
// BandSelection make them. The estimate's kernels give sums over at most 64 rows at a time, which
// are taken as the last rows of a shorter document; here those that are not wanted lose their
// weight, lines lose what always chosen lines hold, and sums become means.
#include <cstddef>

#include "index_table.cuh"
#include "tile_mma.cuh"

using namespace sparsefill;

// Mirrored by a record on the Java side; `probe_layout` lets a test compare the offsets.
struct ProbeParams {
  const bf16* q;
  const bf16* k;
  float* vertical;      // [lines][ldScores] of the rows at hand, in the end the scores to choose by
  float* slash;         // [lines][ldScores]; index t is distance end - 1 - t
  float* verticalSum;   // [lines][ldScores] of the rows before
  float* slashSum;      // [lines][ldScores]; index t is distance tokens - 1 - t
  float* joined;        // [lines][2][64]: maximum, 1 / weight sum
  float* bands;         // [lines][tiles]
  int* taken;           // [lines][tiles]: whether a band is chosen
  const HeadEntry* entries;
  const int* lineHeads;
  int* lines;           // chosen columns and distances
  int64_t ldq;
  int64_t ldk;
  int64_t ldScores;
  int tokens;
  int end;              // behind the last of the rows at hand
  int rows;             // how many they are
  int probes;           // rows along the document, in all
  int group;            // query heads of a KV head
  int headDim;
  int window;
  int tiles;
  float scaleLog2;
};

extern "C" {
__constant__ int probe_layout[] = {
    (int)sizeof(ProbeParams),
    (int)offsetof(ProbeParams, q),
    (int)offsetof(ProbeParams, k),
    (int)offsetof(ProbeParams, vertical),
    (int)offsetof(ProbeParams, slash),
    (int)offsetof(ProbeParams, verticalSum),
    (int)offsetof(ProbeParams, slashSum),
    (int)offsetof(ProbeParams, joined),
    (int)offsetof(ProbeParams, bands),
    (int)offsetof(ProbeParams, taken),
    (int)offsetof(ProbeParams, entries),
    (int)offsetof(ProbeParams, lineHeads),
    (int)offsetof(ProbeParams, lines),
    (int)offsetof(ProbeParams, ldq),
    (int)offsetof(ProbeParams, ldk),
    (int)offsetof(ProbeParams, ldScores),
    (int)offsetof(ProbeParams, tokens),
    (int)offsetof(ProbeParams, end),
    (int)offsetof(ProbeParams, rows),
    (int)offsetof(ProbeParams, probes),
    (int)offsetof(ProbeParams, group),
    (int)offsetof(ProbeParams, headDim),
    (int)offsetof(ProbeParams, window),
    (int)offsetof(ProbeParams, tiles),
    (int)offsetof(ProbeParams, scaleLog2)};
}

namespace {

constexpr int PROBE_THREADS = 256;

// LineMeans and BandSelection.
constexpr int NEAREST_OF_COLUMNS = 100;
constexpr int FIRST_OF_DIAGONALS = 30;
constexpr int FORCED_BANDS = 2;
constexpr int PROBE_GROUPS = 8;

// Columns that some row sees from too near, and diagonals that some row meets in the first keys.
constexpr int NEAR_COLUMNS = NEAREST_OF_COLUMNS + TILE - 1;
constexpr int EARLY_DIAGONALS = FIRST_OF_DIAGONALS + TILE - 1;

// Rows that follow each other.
struct Rows {
  int first;
  int end;
};

// Group g of the rows along the document: ProbeRows.along.
__device__ __forceinline__ Rows groupOf(const ProbeParams& p, int g) {
  const int before = max(0, p.tokens - TILE);
  const int from = (int)((int64_t)before * g / PROBE_GROUPS);
  const int end = (int)((int64_t)before * (g + 1) / PROBE_GROUPS);
  const int wanted = p.probes * (g + 1) / PROBE_GROUPS - p.probes * g / PROBE_GROUPS;
  const int count = min(end - from, wanted);
  const int first = from + (end - from - count) / 2;
  return {first, first + count};
}

// How many of the rows count for a column: those from which it is far enough, and in sight.
__device__ __forceinline__ int columnRows(const ProbeParams& p, Rows rows, int key) {
  const int64_t behind = p.window == 0 ? rows.end : (int64_t)key + p.window;
  return max(0, (int)min((int64_t)rows.end, behind) - max(rows.first, key + NEAREST_OF_COLUMNS));
}

// How many of the rows count for a distance: those that meet it behind the first keys.
__device__ __forceinline__ int distanceRows(const ProbeParams& p, Rows rows, int distance) {
  const bool sighted = p.window == 0 || distance < p.window;
  return sighted ? max(0, rows.end - max(rows.first, distance + FIRST_OF_DIAGONALS)) : 0;
}

// The larger of two means; NaN stays.
__device__ __forceinline__ float largerMean(float last, int lastRows, float before, int allRows) {
  const float ofLast = lastRows == 0 ? 0.f : last / lastRows;
  const float ofAll = allRows == 0 ? 0.f : (last + before) / allRows;
  return isnan(ofLast) || ofLast > ofAll ? ofLast : ofAll;
}

// The weight that row r of the 64 at hand gives to a key which it sees.
__device__ float weightOf(const ProbeParams& p, int r, int key) {
  const int line = blockIdx.y;
  const int head = p.entries[p.lineHeads[line]].head;
  const bf16* q = p.q + (p.end - TILE + r) * p.ldq + head * p.headDim;
  const bf16* k = p.k + key * p.ldk + head / p.group * p.headDim;
  float dot = 0.f;
  for (int c = 0; c < p.headDim; c++) {
    dot += __bfloat162float(q[c]) * __bfloat162float(k[c]);
  }
  const float* joined = p.joined + (int64_t)line * 2 * TILE + r;
  return exp2Fast(dot * p.scaleLog2 - joined[0]) * joined[TILE];
}

}  // namespace

extern "C" {
__constant__ int probe_mask_launch[] = {TILE, 0, 0, 0};
__constant__ int probe_apart_launch[] = {NEAR_COLUMNS + EARLY_DIAGONALS, 0, 0, 0};
__constant__ int probe_add_launch[] = {PROBE_THREADS, 0, 0, 0};
__constant__ int probe_means_launch[] = {PROBE_THREADS, 0, 0, 0};
__constant__ int band_scores_launch[] = {PROBE_THREADS, 0, 0, 0};
__constant__ int band_rank_launch[] = {PROBE_THREADS, 0, 0, 0};
__constant__ int band_write_launch[] = {32, 0, 0, 0};

// Rows that are not wanted weigh nothing.
__global__ void __launch_bounds__(TILE) probe_mask(const __grid_constant__ ProbeParams p) {
  if ((int)threadIdx.x < TILE - p.rows) {
    p.joined[((int64_t)blockIdx.y * 2 + 1) * TILE + threadIdx.x] = 0.f;
  }
}

// Sums again, without what does not count, each column and diagonal that has some of it.
__global__ void __launch_bounds__(NEAR_COLUMNS + EARLY_DIAGONALS)
    probe_apart(const __grid_constant__ ProbeParams p) {
  const bool diagonal = threadIdx.x >= NEAR_COLUMNS;
  const int at = diagonal ? (int)threadIdx.x - NEAR_COLUMNS : p.end - NEAR_COLUMNS + (int)threadIdx.x;
  if (at < 0 || at >= p.end) {
    return;
  }
  float sum = 0.f;
  for (int r = TILE - p.rows; r < TILE; r++) {
    const int query = p.end - TILE + r;
    const int key = diagonal ? at - (TILE - 1) + r : at;
    const bool counts = diagonal ? key >= FIRST_OF_DIAGONALS : key <= query - NEAREST_OF_COLUMNS;
    if (query >= 0 && counts && key <= query && key >= firstKey(query, p.window)) {
      sum += weightOf(p, r, key);
    }
  }
  (diagonal ? p.slash : p.vertical)[blockIdx.y * p.ldScores + at] = sum;
}

// Adds the rows at hand to those before.
__global__ void __launch_bounds__(PROBE_THREADS) probe_add(const __grid_constant__ ProbeParams p) {
  const int i = blockIdx.x * PROBE_THREADS + threadIdx.x;
  if (i < p.end) {
    const int64_t at = blockIdx.y * p.ldScores + i;
    p.verticalSum[at] += p.vertical[at];
    p.slashSum[at + p.tokens - p.end] += p.slash[at];
  }
}

// From sums over the last rows and over those before to the scores: the mean over all or, if it is
// larger, over the last ones.
__global__ void __launch_bounds__(PROBE_THREADS)
    probe_means(const __grid_constant__ ProbeParams p) {
  const int i = blockIdx.x * PROBE_THREADS + threadIdx.x;
  if (i >= p.tokens) {
    return;
  }
  const int distance = p.tokens - 1 - i;
  const Rows last = {max(0, p.tokens - TILE), p.tokens};
  const int columnLast = columnRows(p, last, i);
  const int distanceLast = distanceRows(p, last, distance);
  int columnAll = columnLast;
  int distanceAll = distanceLast;
  for (int g = 0; g < PROBE_GROUPS; g++) {
    const Rows rows = groupOf(p, g);
    columnAll += columnRows(p, rows, i);
    distanceAll += distanceRows(p, rows, distance);
  }
  const int64_t at = blockIdx.y * p.ldScores + i;
  p.vertical[at] = largerMean(p.vertical[at], columnLast, p.verticalSum[at], columnAll);
  p.slash[at] = largerMean(p.slash[at], distanceLast, p.slashSum[at], distanceAll);
}

// What a query of a tile finds in each band: of a diagonal as much as its tile shares.
__global__ void __launch_bounds__(PROBE_THREADS)
    band_scores(const __grid_constant__ ProbeParams p) {
  const int band = blockIdx.x * PROBE_THREADS + threadIdx.x;
  if (band >= p.tiles) {
    return;
  }
  const float* slash = p.slash + blockIdx.y * p.ldScores;
  const int middle = band * TILE;
  float sum = 0.f;
  for (int s = max(0, middle - TILE + 1); s < min(p.tokens, middle + TILE); s++) {
    sum += slash[p.tokens - 1 - s] * ((TILE - abs(s - middle)) * (1.f / TILE));
  }
  p.bands[(int64_t)blockIdx.y * p.tiles + band] = band < FORCED_BANDS ? -NEGATIVE_INFINITY : sum;
}

// Takes a band that fewer others come before than there is room for; of equal ones the farther.
__global__ void __launch_bounds__(PROBE_THREADS) band_rank(const __grid_constant__ ProbeParams p) {
  __shared__ float others[PROBE_THREADS];
  const int band = blockIdx.x * PROBE_THREADS + threadIdx.x;
  const float* bands = p.bands + (int64_t)blockIdx.y * p.tiles;
  const float own = band < p.tiles ? bands[band] : 0.f;
  int before = 0;
  for (int from = 0; from < p.tiles; from += PROBE_THREADS) {
    __syncthreads();
    others[threadIdx.x] = from + (int)threadIdx.x < p.tiles ? bands[from + threadIdx.x] : NEGATIVE_INFINITY;
    __syncthreads();
    const int count = min(PROBE_THREADS, p.tiles - from);
    for (int i = 0; i < count; i++) {
      before += others[i] > own || (others[i] == own && from + i > band);
    }
  }
  if (band < p.tiles) {
    const int room = p.entries[p.lineHeads[blockIdx.y]].second;
    p.taken[(int64_t)blockIdx.y * p.tiles + band] = before < room;
  }
}

// Writes the distances of the chosen bands, descending; one warp for a head.
__global__ void __launch_bounds__(32) band_write(const __grid_constant__ ProbeParams p) {
  const HeadEntry& entry = p.entries[p.lineHeads[blockIdx.y]];
  const int* taken = p.taken + (int64_t)blockIdx.y * p.tiles;
  const unsigned lower = (1u << threadIdx.x) - 1;
  int* target = p.lines + entry.secondAt;
  int written = 0;
  for (int from = p.tiles - 1; from >= 0; from -= 32) {
    const int band = from - (int)threadIdx.x;
    const bool chosen = band >= 0 && taken[band] != 0;
    const unsigned all = __ballot_sync(0xffffffffu, chosen);
    const int at = written + __popc(all & lower);
    if (chosen && at < entry.second) {
      target[at] = band * TILE;
    }
    written += __popc(all);
  }
}
}
