// The choice of the lines of all vertical-slash heads of a layer from their scores, as
// LineSelection makes it. Every launch takes both lists of all heads, cut into blocks of keys: three
// histograms, one for each digit, then what lies before each block, then the chosen ones in order.
#include <cstddef>

#include "index_table.cuh"
#include "radix_select.cuh"

using namespace sparsefill;

// Mirrored by a record on the Java side; `select_layout` lets a test compare the offsets.
struct SelectParams {
  const float* vertical;    // [lineCount][ldScores]
  const float* slash;       // [lineCount][ldScores]
  const HeadEntry* entries;
  const int* lineHeads;     // [lineCount]: which entries
  int* lines;               // chosen columns and distances
  int* histograms;          // [2 lineCount][PASSES][BINS], zero before the first pass
  int2* counts;             // [2 lineCount][blocks]: keys above the threshold, keys equal to it
  int2* thresholds;         // [2 lineCount]: the key, and how many keys equal to it are left out
  unsigned long long* error;
  int64_t ldScores;
  int tokens;
  int pass;
};

extern "C" {
__constant__ int select_layout[] = {
    (int)sizeof(SelectParams),
    (int)offsetof(SelectParams, vertical),
    (int)offsetof(SelectParams, slash),
    (int)offsetof(SelectParams, entries),
    (int)offsetof(SelectParams, lineHeads),
    (int)offsetof(SelectParams, lines),
    (int)offsetof(SelectParams, histograms),
    (int)offsetof(SelectParams, counts),
    (int)offsetof(SelectParams, thresholds),
    (int)offsetof(SelectParams, error),
    (int)offsetof(SelectParams, ldScores),
    (int)offsetof(SelectParams, tokens),
    (int)offsetof(SelectParams, pass)};
}

namespace {

// Keys of one block of the line kernels, and of each of its warps.
constexpr int WARP_KEYS = 1024;
constexpr int BLOCK_KEYS = WARPS * WARP_KEYS;

// Always chosen, of columns as many as there is room for: LineSelection.
constexpr int FORCED_VERTICALS = 30;
constexpr int FORCED_DISTANCES = 100;

// One list of scores that lines are chosen from: the columns or the diagonals of a head.
struct LineList {
  const float* scores;
  int kind;  // 0 columns, 1 diagonals
  int head;
  int count;  // how many are chosen
  int* chosen;
  int tokens;

  __device__ __forceinline__ explicit LineList(const SelectParams& p) {
    const int line = blockIdx.y / 2;
    const HeadEntry& entry = p.entries[p.lineHeads[line]];
    kind = blockIdx.y % 2;
    scores = (kind == 0 ? p.vertical : p.slash) + line * p.ldScores;
    head = entry.head;
    count = kind == 0 ? entry.first : entry.second;
    chosen = p.lines + (kind == 0 ? entry.firstAt : entry.secondAt);
    tokens = p.tokens;
  }

  __device__ __forceinline__ unsigned key(float score, int i) const {
    const bool forced = kind == 0 ? i < min(FORCED_VERTICALS, count) : i >= tokens - FORCED_DISTANCES;
    return forced ? FORCED : keyOf(score);
  }
};

__device__ __forceinline__ const int* histogramOf(const SelectParams& p, int pass) {
  return p.histograms + ((int64_t)blockIdx.y * PASSES + pass) * BINS;
}

__device__ __forceinline__ Threshold thresholdOf(
    const SelectParams& p, const LineList& list, Search& search, int passes) {
  Threshold threshold = {0, list.count};
  for (int pass = 0; pass < passes; pass++) {
    findDigit(search, threshold, histogramOf(p, pass), pass);
  }
  return threshold;
}

// Adds the two numbers of every thread; the sum is for all of them.
__device__ __forceinline__ int2 blockSums(int2 x, int2* warpSums) {
  x.x = __reduce_add_sync(0xffffffffu, x.x);
  x.y = __reduce_add_sync(0xffffffffu, x.y);
  __syncthreads();
  if (threadIdx.x % 32 == 0) {
    warpSums[threadIdx.x / 32] = x;
  }
  __syncthreads();
  x = make_int2(0, 0);
  for (int warp = 0; warp < WARPS; warp++) {
    x.x += warpSums[warp].x;
    x.y += warpSums[warp].y;
  }
  return x;
}

}  // namespace

extern "C" {
__constant__ int line_histogram_launch[] = {SELECT_THREADS, 0, BLOCK_KEYS, PASSES * BINS};
__constant__ int line_count_launch[] = {SELECT_THREADS, 0, BLOCK_KEYS, 0};
__constant__ int line_write_launch[] = {SELECT_THREADS, 0, BLOCK_KEYS, 0};

// Pass `pass` over the keys: the histogram of its digit among those that share the digits before.
__global__ void __launch_bounds__(SELECT_THREADS)
    line_histogram(const __grid_constant__ SelectParams p) {
  __shared__ int histogram[BINS];
  __shared__ Search search;
  const LineList list(p);
  const Threshold threshold = thresholdOf(p, list, search, p.pass);
  for (int bin = threadIdx.x; bin < BINS; bin += SELECT_THREADS) {
    histogram[bin] = 0;
  }
  __syncthreads();
  const int shift = shiftOf(p.pass);
  const int bins = binsOf(p.pass);
  const int begin = blockIdx.x * BLOCK_KEYS;
  const int end = min(begin + BLOCK_KEYS, p.tokens);
  for (int i = begin + threadIdx.x; i < end; i += SELECT_THREADS) {
    const float score = list.scores[i];
    if (p.pass == 0 && isnan(score)) {
      noteNan(p.error, list.kind, list.head, i);
    }
    const unsigned digits = list.key(score, i) >> shift;
    if (p.pass == 0 || digits / bins == threshold.prefix) {
      atomicAdd(&histogram[digits % bins], 1);
    }
  }
  __syncthreads();
  int* target = const_cast<int*>(histogramOf(p, p.pass));
  for (int bin = threadIdx.x; bin < bins; bin += SELECT_THREADS) {
    if (histogram[bin] > 0) {
      atomicAdd(&target[bin], histogram[bin]);
    }
  }
}

// How many keys of each block lie above the threshold, and how many on it.
__global__ void __launch_bounds__(SELECT_THREADS)
    line_count(const __grid_constant__ SelectParams p) {
  __shared__ Search search;
  __shared__ int2 warpSums[WARPS];
  const LineList list(p);
  const Threshold found = thresholdOf(p, list, search, PASSES);
  const unsigned threshold = found.prefix;
  if (blockIdx.x == 0 && threadIdx.x == 0) {
    // Of the keys on the threshold the last ones are chosen.
    const int equal = histogramOf(p, PASSES - 1)[threshold % binsOf(PASSES - 1)];
    p.thresholds[blockIdx.y] = make_int2((int)threshold, equal - found.need);
  }
  const int begin = blockIdx.x * BLOCK_KEYS;
  const int end = min(begin + BLOCK_KEYS, p.tokens);
  int2 own = make_int2(0, 0);
  for (int i = begin + threadIdx.x; i < end; i += SELECT_THREADS) {
    const unsigned key = list.key(list.scores[i], i);
    own.x += key > threshold;
    own.y += key == threshold;
  }
  own = blockSums(own, warpSums);
  if (threadIdx.x == 0) {
    p.counts[(int64_t)blockIdx.y * gridDim.x + blockIdx.x] = own;
  }
}

// Writes the chosen columns ascending, and the chosen distances T - 1 - index descending.
__global__ void __launch_bounds__(SELECT_THREADS)
    line_write(const __grid_constant__ SelectParams p) {
  __shared__ int2 warpSums[WARPS];
  const int2* counts = p.counts + (int64_t)blockIdx.y * gridDim.x;
  const int2 here = counts[blockIdx.x];
  if (here.x + here.y == 0) {
    return;
  }
  const LineList list(p);
  const unsigned threshold = (unsigned)p.thresholds[blockIdx.y].x;
  const int skipped = p.thresholds[blockIdx.y].y;
  int2 before = make_int2(0, 0);
  for (int block = threadIdx.x; block < (int)blockIdx.x; block += SELECT_THREADS) {
    before.x += counts[block].x;
    before.y += counts[block].y;
  }
  before = blockSums(before, warpSums);

  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const int begin = blockIdx.x * BLOCK_KEYS + warp * WARP_KEYS;
  const int end = min(begin + WARP_KEYS, p.tokens);
  int2 own = make_int2(0, 0);
#pragma unroll 8
  for (int i = begin + lane; i < end; i += 32) {
    const unsigned key = list.key(list.scores[i], i);
    own.x += key > threshold;
    own.y += key == threshold;
  }
  own.x = __reduce_add_sync(0xffffffffu, own.x);
  own.y = __reduce_add_sync(0xffffffffu, own.y);
  __syncthreads();
  if (lane == 0) {
    warpSums[warp] = own;
  }
  __syncthreads();
  if (own.x + own.y == 0) {
    return;
  }
  for (int w = 0; w < warp; w++) {
    before.x += warpSums[w].x;
    before.y += warpSums[w].y;
  }
  const unsigned lower = (1u << lane) - 1;
#pragma unroll 4
  for (int step = begin; step < end; step += 32) {
    const int i = step + lane;
    const unsigned key = i < end ? list.key(list.scores[i], i) : 0;
    const bool above = i < end && key > threshold;
    const bool equal = i < end && key == threshold;
    const unsigned aboves = __ballot_sync(0xffffffffu, above);
    const unsigned equals = __ballot_sync(0xffffffffu, equal);
    const int equalsBefore = before.y + __popc(equals & lower);
    if (above || (equal && equalsBefore >= skipped)) {
      const int at = before.x + __popc(aboves & lower) + max(0, equalsBefore - skipped);
      list.chosen[at] = list.kind == 0 ? i : p.tokens - 1 - i;
    }
    before.x += __popc(aboves);
    before.y += __popc(equals);
  }
}
}
