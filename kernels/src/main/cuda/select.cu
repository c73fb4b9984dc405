// The choice among scores: the lines of vertical-slash heads, and the key tiles of block-sparse
// heads. The rule is TopK's: the largest scores win, among equal ones the higher index; results
// ascend. NaN is noted, and then some choice is made all the same.
//
// Scores become unsigned keys in their order, and the key of the last chosen one is found digit by
// digit (radix select, 11 + 11 + 10 bits): histogram of a digit among the keys that share the
// digits before. Counts are integers, so the result does not depend on the order of blocks.
#include <cstddef>

#include "index_table.cuh"

using namespace sparsefill;

// Mirrored by records on the Java side; the layout tables let a test compare the offsets.
struct SelectParams {
  const float* vertical;    // [lineCount][ldScores]
  const float* slash;       // [lineCount][ldScores]
  const HeadEntry* entries;
  const int* lineHeads;     // [lineCount]: which entries
  int* lines;               // chosen columns and distances
  int* histograms;          // [2 lineCount][PASSES][BINS], zero before the first pass
  int2* counts;             // [2 lineCount][blocks]: keys above the threshold, keys equal to it
  unsigned long long* error;
  int64_t ldScores;
  int tokens;
  int pass;
};

struct ChooseParams {
  const float* scores;      // [row blocks][64][tiles]
  const HeadEntry* entries;
  const int* blockHeads;    // which entries, those of this group
  int4* rows;
  int2* runs;
  unsigned long long* error;
  int groupFirst;
  int firstTile;
  int fromTile;
  int tiles;
  int fromBlock;            // number of the first block of 64 query tiles, counted over the heads
  int window;
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
    (int)offsetof(SelectParams, error),
    (int)offsetof(SelectParams, ldScores),
    (int)offsetof(SelectParams, tokens),
    (int)offsetof(SelectParams, pass)};
__constant__ int choose_layout[] = {
    (int)sizeof(ChooseParams),
    (int)offsetof(ChooseParams, scores),
    (int)offsetof(ChooseParams, entries),
    (int)offsetof(ChooseParams, blockHeads),
    (int)offsetof(ChooseParams, rows),
    (int)offsetof(ChooseParams, runs),
    (int)offsetof(ChooseParams, error),
    (int)offsetof(ChooseParams, groupFirst),
    (int)offsetof(ChooseParams, firstTile),
    (int)offsetof(ChooseParams, fromTile),
    (int)offsetof(ChooseParams, tiles),
    (int)offsetof(ChooseParams, fromBlock),
    (int)offsetof(ChooseParams, window)};
}

namespace {

constexpr int SELECT_THREADS = 256;
constexpr int WARPS = SELECT_THREADS / 32;
constexpr int PASSES = 3;
constexpr int BINS = 2048;

// Keys of one block of the line kernels, and of each of its warps.
constexpr int STEPS = 32;
constexpr int WARP_KEYS = 32 * STEPS;
constexpr int BLOCK_KEYS = WARPS * WARP_KEYS;

// Query tiles that pool_scores computes together.
constexpr int ROW_BLOCK = 64;

constexpr int FORCED_VERTICALS = 30;
constexpr int FORCED_DISTANCES = 100;
constexpr unsigned FORCED = 0xff800000u;  // the key of infinity

// Bits right of a pass's digit, and how many values the digit has.
__device__ __forceinline__ int shiftOf(int pass) { return pass == 0 ? 21 : pass == 1 ? 10 : 0; }
__device__ __forceinline__ int binsOf(int pass) { return pass == 2 ? BINS / 2 : BINS; }

// Larger scores have larger keys; both zeros have one. NaN has the least, so that what is forced
// stays so and the lists stay well formed until the error comes up.
__device__ __forceinline__ unsigned keyOf(float score) {
  if (isnan(score)) {
    return 0;
  }
  const unsigned bits = __float_as_uint(score + 0.f);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

__device__ __forceinline__ void noteNan(
    unsigned long long* error, int kind, int head, int index) {
  atomicMin(error, ((unsigned long long)kind << 48) | ((unsigned long long)head << 32) |
      (unsigned)index);
}

// The digits found so far: keys above `prefix` (in the bits found) are chosen, and `need` of those
// that share it.
struct Threshold {
  unsigned prefix;
  int need;
};

// What a block needs to look for a digit.
struct Search {
  int warpSums[WARPS];
  Threshold found;
};

// Appends the digit of one pass to the threshold. All threads of the block call it.
__device__ __forceinline__ void findDigit(
    Search& search, Threshold& threshold, const int* histogram, int pass) {
  const int bins = binsOf(pass);
  const int each = bins / SELECT_THREADS;
  const int top = bins - 1 - threadIdx.x * each;  // this thread's bins go down from here
  int own = 0;
  for (int i = 0; i < each; i++) {
    own += histogram[top - i];
  }
  const int lane = threadIdx.x % 32;
  int sum = own;
#pragma unroll
  for (int step = 1; step < 32; step <<= 1) {
    const int below = __shfl_up_sync(0xffffffffu, sum, step);
    sum += lane >= step ? below : 0;
  }
  __syncthreads();  // the search may still be read from the call before
  if (lane == 31) {
    search.warpSums[threadIdx.x / 32] = sum;
  }
  __syncthreads();
  int above = sum - own;
  for (int warp = 0; warp < (int)threadIdx.x / 32; warp++) {
    above += search.warpSums[warp];
  }
  if (above < threshold.need && threshold.need <= above + own) {
    int i = 0;
    for (int count = histogram[top]; above + count < threshold.need; count = histogram[top - i]) {
      above += count;
      i++;
    }
    search.found.prefix = threshold.prefix << (pass == 2 ? 10 : 11) | (unsigned)(top - i);
    search.found.need = threshold.need - above;
  }
  __syncthreads();
  threshold = search.found;
}

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
    const bool forced = kind == 0 ? i < FORCED_VERTICALS : i >= tokens - FORCED_DISTANCES;
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

// The keys of one query tile's row of pooled scores: its own tile wins where there is a window,
// because every other one leaves the window before the tile's last query.
struct TileList {
  const float* scores;
  int count;
  int own;  // the tile that is forced, or -1

  __device__ __forceinline__ unsigned key(int i) const {
    return i == own ? FORCED : keyOf(scores[i]);
  }
};

}  // namespace

extern "C" {
__constant__ int line_histogram_launch[] = {SELECT_THREADS, 0, BLOCK_KEYS, PASSES * BINS};
__constant__ int line_count_launch[] = {SELECT_THREADS, 0, BLOCK_KEYS, 0};
__constant__ int line_write_launch[] = {SELECT_THREADS, 0, BLOCK_KEYS, 0};
__constant__ int choose_tiles_launch[] = {SELECT_THREADS, 0, ROW_BLOCK, 0};

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
  const unsigned threshold = thresholdOf(p, list, search, PASSES).prefix;
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
  __shared__ Search search;
  __shared__ int2 warpSums[WARPS];
  const LineList list(p);
  const Threshold threshold = thresholdOf(p, list, search, PASSES);
  // Of the keys on the threshold the last ones are chosen: this many are passed over.
  const int skipped = histogramOf(p, PASSES - 1)[threshold.prefix % binsOf(PASSES - 1)] -
      threshold.need;
  const int2* counts = p.counts + (int64_t)blockIdx.y * gridDim.x;
  int2 before = make_int2(0, 0);
  for (int block = threadIdx.x; block < (int)blockIdx.x; block += SELECT_THREADS) {
    before.x += counts[block].x;
    before.y += counts[block].y;
  }
  before = blockSums(before, warpSums);

  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const int begin = blockIdx.x * BLOCK_KEYS + warp * WARP_KEYS + lane;
  unsigned keys[STEPS];
  int2 own = make_int2(0, 0);
#pragma unroll
  for (int step = 0; step < STEPS; step++) {
    const int i = begin + step * 32;
    keys[step] = i < p.tokens ? list.key(list.scores[i], i) : 0;
    const bool present = i < p.tokens;
    own.x += __popc(__ballot_sync(0xffffffffu, present && keys[step] > threshold.prefix));
    own.y += __popc(__ballot_sync(0xffffffffu, present && keys[step] == threshold.prefix));
  }
  __syncthreads();
  if (lane == 0) {
    warpSums[warp] = own;
  }
  __syncthreads();
  for (int w = 0; w < warp; w++) {
    before.x += warpSums[w].x;
    before.y += warpSums[w].y;
  }
  const unsigned lower = (1u << lane) - 1;
#pragma unroll
  for (int step = 0; step < STEPS; step++) {
    const int i = begin + step * 32;
    const bool present = i < p.tokens;
    const bool above = present && keys[step] > threshold.prefix;
    const bool equal = present && keys[step] == threshold.prefix;
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

// The key tiles of one query tile, one block for each, as runs.
__global__ void __launch_bounds__(SELECT_THREADS)
    choose_tiles(const __grid_constant__ ChooseParams p) {
  __shared__ int histogram[BINS];
  __shared__ Search search;
  __shared__ unsigned masks[2][WARPS];
  const int queryTiles = p.tiles - p.firstTile;
  const int blocksOfHead = (queryTiles + ROW_BLOCK - 1) / ROW_BLOCK;
  const int block = p.fromBlock + blockIdx.x / ROW_BLOCK;
  const int row = block % blocksOfHead * ROW_BLOCK + blockIdx.x % ROW_BLOCK;
  if (row >= queryTiles) {
    return;
  }
  const int position = p.blockHeads[block / blocksOfHead];
  const HeadEntry& entry = p.entries[position];
  const int m = p.firstTile + row;
  const int first = firstKey(m * 64, p.window) / 64;
  const int count = m + 1 - first;
  const TileList list = {p.scores + (int64_t)blockIdx.x * p.tiles + first, count,
      p.window > 0 ? m - first : -1};

  Threshold threshold = {0, min(entry.first, count)};
  int skipped = 0;
  for (int pass = 0; pass < PASSES; pass++) {
    const int shift = shiftOf(pass);
    const int bins = binsOf(pass);
    __syncthreads();
    for (int bin = threadIdx.x; bin < bins; bin += SELECT_THREADS) {
      histogram[bin] = 0;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < count; i += SELECT_THREADS) {
      if (pass == 0 && isnan(list.scores[i])) {
        noteNan(p.error, 2, entry.head, first + i);
      }
      const unsigned digits = list.key(i) >> shift;
      if (pass == 0 || digits / bins == threshold.prefix) {
        atomicAdd(&histogram[digits % bins], 1);
      }
    }
    __syncthreads();
    findDigit(search, threshold, histogram, pass);
    skipped = histogram[threshold.prefix % bins] - threshold.need;
  }

  // Tiles in order, 256 at a time: a run begins where a tile is chosen and the one before is not,
  // and ends before the next tile that is not. Its end stands in the place of its length at first.
  int2* runs = p.runs + runsOf(entry, p.fromTile, m);
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const unsigned lower = (1u << lane) - 1;
  int equalsBefore = 0;
  int begun = 0;
  unsigned last = 0;  // whether the tile before was chosen
  for (int base = 0; base < count + 1; base += SELECT_THREADS) {
    const int i = base + threadIdx.x;
    const unsigned key = i < count ? list.key(i) : 0;
    const bool equal = i < count && key == threshold.prefix;
    const unsigned equals = __ballot_sync(0xffffffffu, equal);
    __syncthreads();
    if (lane == 0) {
      masks[0][warp] = equals;
    }
    __syncthreads();
    int equalsHere = equalsBefore + __popc(equals & lower);
    for (int w = 0; w < WARPS; w++) {
      equalsHere += w < warp ? __popc(masks[0][w]) : 0;
      equalsBefore += __popc(masks[0][w]);
    }
    const bool chosen =
        i < count && (key > threshold.prefix || (equal && equalsHere >= skipped));
    const unsigned chosens = __ballot_sync(0xffffffffu, chosen);
    if (lane == 0) {
      masks[1][warp] = chosens;
    }
    __syncthreads();
    int run = begun;  // runs that begin before this warp's tiles
    unsigned carry = last;
    unsigned mine = 0;
    for (int w = 0; w < WARPS; w++) {
      const unsigned mask = masks[1][w];
      const unsigned begins = mask & ~(mask << 1 | carry);
      if (w == warp) {
        mine = carry;
      }
      run += w < warp ? __popc(begins) : 0;
      begun += __popc(begins);
      carry = mask >> 31;
    }
    last = carry;
    const unsigned shifted = chosens << 1 | mine;
    run += __popc(chosens & ~shifted & lower);
    const bool previous = shifted >> lane & 1;
    if (chosen && !previous) {
      runs[run].x = (first + i) * 64;
    } else if (!chosen && previous) {
      runs[run - 1].y = first + i;
    }
  }
  __syncthreads();
  for (int run = threadIdx.x; run < begun; run += SELECT_THREADS) {
    runs[run].y -= runs[run].x / 64;
  }
  if (threadIdx.x == 0) {
    p.rows[(int64_t)(position - p.groupFirst) * queryTiles + row] =
        make_int4((int)(runs - p.runs), begun, 0, 0);
  }
}
}
