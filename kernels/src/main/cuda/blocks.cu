// Block-sparse heads (MInference, arXiv 2407.02490, algorithm 3): each query tile takes the key tiles
// whose mean key fits its mean query best. Tiles are pooled once; their products are made and chosen
// from in pieces of bounded size. The semantics are those of CpuEstimate.
#include <cuda_bf16.h>

#include <cstddef>

#include "index_table.cuh"
#include "radix_select.cuh"

using namespace sparsefill;

using bf16 = __nv_bfloat16;

// Mirrored by records on the Java side; the layout tables let a test compare the offsets.
struct PoolParams {
  const bf16* x;
  float* out;
  const int* headList;
  int64_t ldx;
  int tokens;
  int headDim;
  int count;
  int firstTile;
  int tiles;
  int mean;
};

struct PoolScoreParams {
  const float* queries;     // [pooled heads][tiles - firstTile][headDim]
  const float* keys;        // [KV heads][tiles][headDim]
  float* scores;            // [gridDim.y][64][tiles]
  const HeadEntry* entries;
  const int* blockHeads;    // which entries
  int headDim;
  int group;
  int tiles;
  int firstTile;
  int fromBlock;            // number of the first block of 64 query tiles, counted over the heads
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
__constant__ int pool_layout[] = {
    (int)sizeof(PoolParams),
    (int)offsetof(PoolParams, x),
    (int)offsetof(PoolParams, out),
    (int)offsetof(PoolParams, headList),
    (int)offsetof(PoolParams, ldx),
    (int)offsetof(PoolParams, tokens),
    (int)offsetof(PoolParams, headDim),
    (int)offsetof(PoolParams, count),
    (int)offsetof(PoolParams, firstTile),
    (int)offsetof(PoolParams, tiles),
    (int)offsetof(PoolParams, mean)};
__constant__ int pool_score_layout[] = {
    (int)sizeof(PoolScoreParams),
    (int)offsetof(PoolScoreParams, queries),
    (int)offsetof(PoolScoreParams, keys),
    (int)offsetof(PoolScoreParams, scores),
    (int)offsetof(PoolScoreParams, entries),
    (int)offsetof(PoolScoreParams, blockHeads),
    (int)offsetof(PoolScoreParams, headDim),
    (int)offsetof(PoolScoreParams, group),
    (int)offsetof(PoolScoreParams, tiles),
    (int)offsetof(PoolScoreParams, firstTile),
    (int)offsetof(PoolScoreParams, fromBlock)};
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

constexpr int TILE = 64;
constexpr int POOL_SUM_THREADS = 128;

// Rows and key tiles of one block of pool_scores, and how deep it goes at a time.
constexpr int POOL_TILE = 64;
constexpr int POOL_DEPTH = 16;
constexpr int POOL_THREADS = 256;

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
__constant__ int pool_launch[] = {POOL_SUM_THREADS, 0, 0, 0};
__constant__ int pool_scores_launch[] = {POOL_THREADS, 0, POOL_TILE, POOL_TILE};
__constant__ int choose_tiles_launch[] = {SELECT_THREADS, 0, POOL_TILE, 0};

// Sum or mean of the rows of each 64-row tile, for one head in each blockIdx.y.
__global__ void __launch_bounds__(POOL_SUM_THREADS) pool(const __grid_constant__ PoolParams p) {
  if (blockIdx.x >= p.tiles || blockIdx.y >= p.count) {
    return;
  }
  const int row0 = (p.firstTile + blockIdx.x) * TILE;
  const int rows = min(TILE, p.tokens - row0);
  const bf16* x = p.x + row0 * p.ldx + (int64_t)p.headList[blockIdx.y] * p.headDim;
  float* out = p.out + ((int64_t)blockIdx.y * p.tiles + blockIdx.x) * p.headDim;
  for (int c = threadIdx.x; c < p.headDim; c += POOL_SUM_THREADS) {
    float sum = 0.f;
    for (int r = 0; r < rows; r++) {
      sum += __bfloat162float(x[r * p.ldx + c]);
    }
    out[c] = p.mean ? sum / rows : sum;
  }
}

// scores[block][r][n] = queries[r] . keys[n] for key tiles n up to the row's own, in blocks of 64
// query tiles of one head. In fp32: scores lie close together, and the choice between them should
// not depend on rounding.
__global__ void __launch_bounds__(POOL_THREADS)
    pool_scores(const __grid_constant__ PoolScoreParams p) {
  __shared__ float queries[POOL_DEPTH][POOL_TILE + 4];
  __shared__ float keys[POOL_DEPTH][POOL_TILE + 4];
  const int queryTiles = p.tiles - p.firstTile;
  const int blocksOfHead = (queryTiles + POOL_TILE - 1) / POOL_TILE;
  const int block = p.fromBlock + blockIdx.y;
  const int row0 = block % blocksOfHead * POOL_TILE;
  const int tile0 = blockIdx.x * POOL_TILE;
  if (tile0 >= p.firstTile + min(row0 + POOL_TILE, queryTiles)) {
    return;
  }
  const HeadEntry& entry = p.entries[p.blockHeads[block / blocksOfHead]];
  const float* queryRows = p.queries + (int64_t)entry.firstAt * queryTiles * p.headDim;
  const float* keyRows = p.keys + (int64_t)(entry.head / p.group) * p.tiles * p.headDim;
  float* scores = p.scores + (int64_t)blockIdx.y * POOL_TILE * p.tiles;
  const int y = threadIdx.x / 16;
  const int x = threadIdx.x % 16;
  float sum[4][4] = {};
  for (int depth = 0; depth < p.headDim; depth += POOL_DEPTH) {
    for (int i = threadIdx.x; i < POOL_TILE * POOL_DEPTH; i += POOL_THREADS) {
      const int c = i % POOL_DEPTH;
      const int r = i / POOL_DEPTH;
      const bool inside = depth + c < p.headDim;
      queries[c][r] = inside && row0 + r < queryTiles
          ? queryRows[(int64_t)(row0 + r) * p.headDim + depth + c] : 0.f;
      keys[c][r] = inside && tile0 + r < p.tiles
          ? keyRows[(int64_t)(tile0 + r) * p.headDim + depth + c] : 0.f;
    }
    __syncthreads();
#pragma unroll
    for (int c = 0; c < POOL_DEPTH; c++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
          sum[i][j] += queries[c][y * 4 + i] * keys[c][x + 16 * j];
        }
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 4; i++) {
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const int row = y * 4 + i;
      const int tile = tile0 + x + 16 * j;
      if (row0 + row < queryTiles && tile <= p.firstTile + row0 + row) {
        scores[(int64_t)row * p.tiles + tile] = sum[i][j];
      }
    }
  }
}

// The key tiles of one query tile, one block for each, as runs.
__global__ void __launch_bounds__(SELECT_THREADS)
    choose_tiles(const __grid_constant__ ChooseParams p) {
  __shared__ int histogram[BINS];
  __shared__ Search search;
  __shared__ unsigned masks[2][WARPS];
  const int queryTiles = p.tiles - p.firstTile;
  const int blocksOfHead = (queryTiles + POOL_TILE - 1) / POOL_TILE;
  const int block = p.fromBlock + blockIdx.x / POOL_TILE;
  const int row = block % blocksOfHead * POOL_TILE + blockIdx.x % POOL_TILE;
  if (row >= queryTiles) {
    return;
  }
  const int position = p.blockHeads[block / blocksOfHead];
  const HeadEntry& entry = p.entries[position];
  const int m = p.firstTile + row;
  const int first = firstKey(m * TILE, p.window) / TILE;
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
      runs[run].x = (first + i) * TILE;
    } else if (!chosen && previous) {
      runs[run - 1].y = first + i;
    }
  }
  __syncthreads();
  for (int run = threadIdx.x; run < begun; run += SELECT_THREADS) {
    runs[run].y -= runs[run].x / TILE;
  }
  if (threadIdx.x == 0) {
    p.rows[(int64_t)(position - p.groupFirst) * queryTiles + row] =
        make_int4((int)(runs - p.runs), begun, 0, 0);
  }
}
}
