// What the sparse patterns look at before they choose (MInference, arXiv 2407.02490, algorithms 2
// and 3): line scores for vertical-slash, pooled tile scores for block-sparse. The semantics are
// those of CpuEstimate.
//
// Line scores are the attention of the last 64 queries, summed over key columns and diagonals. Two
// launches pass over the keys, so that no [64, T] matrix is kept: line_max finds each row's maximum
// and weight sum for every block of keys, line_sum joins them and adds up the probabilities. Each
// sum has one order and one writer, so results repeat bit by bit.
#include <cstddef>

#include "tile_mma.cuh"

using namespace sparsefill;

// Mirrored by records on the Java side; the layout tables let a test compare the offsets.
struct LineParams {
  const bf16* q;
  const bf16* k;
  float* vertical;
  float* slash;
  float* partials;
  const int* headList;
  int64_t ldq;
  int64_t ldk;
  int64_t ldScores;
  int tokens;
  int heads;
  int kvHeads;
  int count;
  int window;
  float scaleLog2;
};

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
  const float* queries;
  const float* keys;
  float* scores;
  int headDim;
  int rows;
  int tiles;
  int fromTile;
};

extern "C" {
__constant__ int line_layout[] = {
    (int)sizeof(LineParams),
    (int)offsetof(LineParams, q),
    (int)offsetof(LineParams, k),
    (int)offsetof(LineParams, vertical),
    (int)offsetof(LineParams, slash),
    (int)offsetof(LineParams, partials),
    (int)offsetof(LineParams, headList),
    (int)offsetof(LineParams, ldq),
    (int)offsetof(LineParams, ldk),
    (int)offsetof(LineParams, ldScores),
    (int)offsetof(LineParams, tokens),
    (int)offsetof(LineParams, heads),
    (int)offsetof(LineParams, kvHeads),
    (int)offsetof(LineParams, count),
    (int)offsetof(LineParams, window),
    (int)offsetof(LineParams, scaleLog2)};
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
    (int)offsetof(PoolScoreParams, headDim),
    (int)offsetof(PoolScoreParams, rows),
    (int)offsetof(PoolScoreParams, tiles),
    (int)offsetof(PoolScoreParams, fromTile)};
}

// Outside the unnamed namespace, whose mangled names depend on where the compiler finds the file.
extern __shared__ __align__(16) unsigned char memory[];

namespace {

// Key tiles of one block. More of them mean fewer partials for every block of line_sum to join.
constexpr int BLOCK_TILES = 32;
constexpr int BLOCK_KEYS = BLOCK_TILES * TILE;

// Floats of a row of probabilities; 8 more than the row, so that the lanes of a warp, which write
// pairs in 8 rows, meet no bank twice.
constexpr int P_STRIDE = TILE + 8;

template <int D>
struct LineMemory {
  static constexpr int P = 2 * TileLayout<D>::BYTES;
  static constexpr int SUMS = P + TILE * P_STRIDE * (int)sizeof(float);
  static constexpr int MAX_BYTES = P;
  static constexpr int SUM_BYTES = SUMS + 4 * TILE * (int)sizeof(float);
};

// The keys' scores of one tile in base-2 terms, -inf where the query may not see the key or does
// not exist (row r is query T - 64 + r, below zero in documents shorter than that).
template <int D>
__device__ __forceinline__ void lineScores(float (&s)[TILE / 8][4], const QueryFragments<D>& q,
    const LineParams& p, uint32_t keyTile, int key0) {
  scoreTile<D>(s, q, keyTile);
  const int lane = threadIdx.x % 32;
  const int first = p.tokens - TILE + (threadIdx.x / 32) * 16 + lane / 4;
#pragma unroll
  for (int n = 0; n < TILE / 8; n++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int key = key0 + n * 8 + 2 * (lane % 4) + i % 2;
      const int query = first + 8 * (i / 2);
      const bool visible = key <= query && (p.window == 0 || key > query - p.window);
      s[n][i] = visible ? s[n][i] * p.scaleLog2 : NEGATIVE_INFINITY;
    }
  }
}

// partials[i][block][0][row] = maximum, [1][row] = sum of 2^(score - maximum), in base-2 terms.
template <int D>
__device__ __forceinline__ void lineMax(const LineParams& p) {
  using Layout = TileLayout<D>;
  const uint32_t stages = sharedAddress(memory);
  const int head = p.headList[blockIdx.y];
  const bf16* k = p.k + head / (p.heads / p.kvHeads) * D;
  const int begin = blockIdx.x * BLOCK_KEYS;
  const int end = min(begin + BLOCK_KEYS, p.tokens);
  const int warpRow = (threadIdx.x / 32) * 16;
  const int lane = threadIdx.x % 32;

  copyRows<D>(stages, k, p.ldk, begin, p.tokens);
  commitCopies();
  QueryFragments<D> q;
  q.load(p.q + head * D, p.ldq, p.tokens - TILE + warpRow, p.tokens);
  float maximum[2] = {NEGATIVE_INFINITY, NEGATIVE_INFINITY};
  float sum[2] = {0.f, 0.f};
  int stage = 0;
  for (int key = begin; key < end; key += TILE, stage ^= 1) {
    waitForCopies();
    __syncthreads();
    if (key + TILE < end) {
      copyRows<D>(stages + (stage ^ 1) * Layout::BYTES, k, p.ldk, key + TILE, p.tokens);
    }
    commitCopies();
    float s[TILE / 8][4];
    lineScores<D>(s, q, p, stages + stage * Layout::BYTES, key);
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float best = maximum[half];
#pragma unroll
      for (int n = 0; n < TILE / 8; n++) {
        best = fmaxf(best, fmaxf(s[n][2 * half], s[n][2 * half + 1]));
      }
      // Each lane follows its own columns; lanes are joined at the end.
      const float base = best == NEGATIVE_INFINITY ? 0.f : best;
      sum[half] *= exp2Fast(maximum[half] - base);
      maximum[half] = best;
#pragma unroll
      for (int n = 0; n < TILE / 8; n++) {
        sum[half] += exp2Fast(s[n][2 * half] - base) + exp2Fast(s[n][2 * half + 1] - base);
      }
    }
  }
  float* partial = p.partials + ((int64_t)blockIdx.y * gridDim.x + blockIdx.x) * 2 * TILE;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const float best = quadMax(maximum[half]);
    const float base = best == NEGATIVE_INFINITY ? 0.f : best;
    const float total = quadSum(sum[half] * exp2Fast(maximum[half] - base));
    if (lane % 4 == 0) {
      const int row = warpRow + lane / 4 + 8 * half;
      partial[row] = best;
      partial[TILE + row] = total;
    }
  }
}

// Joins the partials of all blocks: sums[0 .. 63] = maximum, sums[64 .. 127] = 1 / weight sum.
__device__ __forceinline__ void joinPartials(const LineParams& p, float* sums) {
  const int row = threadIdx.x % TILE;
  const int half = threadIdx.x / TILE;
  const float* partials = p.partials + (int64_t)blockIdx.y * gridDim.x * 2 * TILE;
  float best = NEGATIVE_INFINITY;
  for (int block = half; block < (int)gridDim.x; block += 2) {
    best = fmaxf(best, partials[(int64_t)block * 2 * TILE + row]);
  }
  sums[half * TILE + row] = best;
  __syncthreads();
  best = fmaxf(sums[row], sums[TILE + row]);
  const float base = best == NEGATIVE_INFINITY ? 0.f : best;
  float total = 0.f;
  for (int block = half; block < (int)gridDim.x; block += 2) {
    const float* partial = partials + (int64_t)block * 2 * TILE;
    total += partial[TILE + row] * exp2Fast(partial[row] - base);
  }
  sums[(2 + half) * TILE + row] = total;
  __syncthreads();
  if (half == 0) {
    const bool present = p.tokens - TILE + row >= 0;
    const float weightSum = sums[2 * TILE + row] + sums[3 * TILE + row];
    sums[row] = base;
    sums[TILE + row] = present ? 1.f / weightSum : 0.f;
  }
  __syncthreads();
}

// Column sums of the block's keys, and the diagonals t = T - 1 - (query - key) that begin in it: of
// those, the first 63 also cross the tile before the block, which is therefore computed once more.
template <int D>
__device__ __forceinline__ void lineSum(const LineParams& p) {
  using Layout = TileLayout<D>;
  using Memory = LineMemory<D>;
  const uint32_t stages = sharedAddress(memory);
  float* probabilities = reinterpret_cast<float*>(memory + Memory::P);
  float* sums = reinterpret_cast<float*>(memory + Memory::SUMS);
  const int head = p.headList[blockIdx.y];
  const bf16* k = p.k + head / (p.heads / p.kvHeads) * D;
  const int begin = blockIdx.x * BLOCK_KEYS;
  const int end = min(begin + BLOCK_KEYS, p.tokens);
  const int from = max(0, begin - TILE);
  const int warpRow = (threadIdx.x / 32) * 16;
  const int lane = threadIdx.x % 32;
  const int line = threadIdx.x % TILE;

  copyRows<D>(stages, k, p.ldk, from, p.tokens);
  commitCopies();
  QueryFragments<D> q;
  q.load(p.q + head * D, p.ldq, p.tokens - TILE + warpRow, p.tokens);
  joinPartials(p, sums);
  float base[2];
  float weight[2];
#pragma unroll
  for (int half = 0; half < 2; half++) {
    base[half] = sums[warpRow + lane / 4 + 8 * half];
    weight[half] = sums[TILE + warpRow + lane / 4 + 8 * half];
  }

  float carry = 0.f;  // of the diagonal that begins in the tile before, for the first 64 threads
  int stage = 0;
  for (int key = from; key < end; key += TILE, stage ^= 1) {
    waitForCopies();
    __syncthreads();
    if (key + TILE < end) {
      copyRows<D>(stages + (stage ^ 1) * Layout::BYTES, k, p.ldk, key + TILE, p.tokens);
    }
    commitCopies();
    float s[TILE / 8][4];
    lineScores<D>(s, q, p, stages + stage * Layout::BYTES, key);
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float* target = probabilities + (warpRow + lane / 4 + 8 * half) * P_STRIDE + 2 * (lane % 4);
#pragma unroll
      for (int n = 0; n < TILE / 8; n++) {
        *reinterpret_cast<float2*>(target + n * 8) =
            make_float2(exp2Fast(s[n][2 * half] - base[half]) * weight[half],
                exp2Fast(s[n][2 * half + 1] - base[half]) * weight[half]);
      }
    }
    __syncthreads();
    // Row r and column c of the tile lie on its diagonal c + 63 - r; every thread adds 64 numbers.
    float sum = 0.f;
    if (threadIdx.x < TILE) {
      for (int r = TILE - 1 - line; r < TILE; r++) {
        sum += probabilities[r * P_STRIDE + line - (TILE - 1) + r];
      }
      sum += carry;
      carry = 0.f;
      for (int r = 0; r < TILE - 1 - line; r++) {
        carry += probabilities[r * P_STRIDE + line + 1 + r];
      }
    } else {
      for (int r = 0; r < TILE; r++) {
        sum += probabilities[r * P_STRIDE + line];
      }
    }
    if (key >= begin && key + line < p.tokens) {
      float* scores = threadIdx.x < TILE ? p.slash : p.vertical;
      scores[blockIdx.y * p.ldScores + key + line] = sum;
    }
  }
}

// Rows and key tiles of one block of pool_scores, and how deep it goes at a time.
constexpr int POOL_TILE = 64;
constexpr int POOL_DEPTH = 16;
constexpr int POOL_THREADS = 256;

}  // namespace

#define LINE_KERNELS(D)                                                                        \
  extern "C" {                                                                                 \
  __constant__ int line_max_d##D##_launch[] = {THREADS, LineMemory<D>::MAX_BYTES, BLOCK_KEYS, 0}; \
  __constant__ int line_sum_d##D##_launch[] = {THREADS, LineMemory<D>::SUM_BYTES, BLOCK_KEYS, 0}; \
  __global__ void __launch_bounds__(THREADS, 3)                                                \
      line_max_d##D(const __grid_constant__ LineParams p) {                                    \
    lineMax<D>(p);                                                                             \
  }                                                                                            \
  __global__ void __launch_bounds__(THREADS, 3)                                                \
      line_sum_d##D(const __grid_constant__ LineParams p) {                                    \
    lineSum<D>(p);                                                                             \
  }                                                                                            \
  }

LINE_KERNELS(32)
LINE_KERNELS(64)
LINE_KERNELS(80)
LINE_KERNELS(96)
LINE_KERNELS(128)

extern "C" {
__constant__ int pool_launch[] = {THREADS, 0, 0, 0};
__constant__ int pool_scores_launch[] = {POOL_THREADS, 0, POOL_TILE, POOL_TILE};

// Sum or mean of the rows of each 64-row tile, for one head in each blockIdx.y.
__global__ void __launch_bounds__(THREADS) pool(const __grid_constant__ PoolParams p) {
  if (blockIdx.x >= p.tiles || blockIdx.y >= p.count) {
    return;
  }
  const int row0 = (p.firstTile + blockIdx.x) * TILE;
  const int rows = min(TILE, p.tokens - row0);
  const bf16* x = p.x + row0 * p.ldx + (int64_t)p.headList[blockIdx.y] * p.headDim;
  float* out = p.out + ((int64_t)blockIdx.y * p.tiles + blockIdx.x) * p.headDim;
  for (int c = threadIdx.x; c < p.headDim; c += THREADS) {
    float sum = 0.f;
    for (int r = 0; r < rows; r++) {
      sum += __bfloat162float(x[r * p.ldx + c]);
    }
    out[c] = p.mean ? sum / rows : sum;
  }
}

// scores[r][n] = queries[r] . keys[n] for key tiles n up to the row's own, fromTile + r. In fp32:
// scores lie close together, and the choice between them should not depend on rounding.
__global__ void __launch_bounds__(POOL_THREADS)
    pool_scores(const __grid_constant__ PoolScoreParams p) {
  __shared__ float queries[POOL_DEPTH][POOL_TILE + 4];
  __shared__ float keys[POOL_DEPTH][POOL_TILE + 4];
  const int row0 = blockIdx.y * POOL_TILE;
  const int tile0 = blockIdx.x * POOL_TILE;
  if (tile0 > p.fromTile + min(row0 + POOL_TILE, p.rows) - 1) {
    return;
  }
  const int y = threadIdx.x / 16;
  const int x = threadIdx.x % 16;
  float sum[4][4] = {};
  for (int depth = 0; depth < p.headDim; depth += POOL_DEPTH) {
    for (int i = threadIdx.x; i < POOL_TILE * POOL_DEPTH; i += POOL_THREADS) {
      const int c = i % POOL_DEPTH;
      const int r = i / POOL_DEPTH;
      const bool inside = depth + c < p.headDim;
      queries[c][r] = inside && row0 + r < p.rows
          ? p.queries[(int64_t)(row0 + r) * p.headDim + depth + c] : 0.f;
      keys[c][r] = inside && tile0 + r < p.tiles
          ? p.keys[(int64_t)(tile0 + r) * p.headDim + depth + c] : 0.f;
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
      const int row = row0 + y * 4 + i;
      const int tile = tile0 + x + 16 * j;
      if (row < p.rows && tile < p.tiles && tile <= p.fromTile + row) {
        p.scores[(int64_t)row * p.tiles + tile] = sum[i][j];
      }
    }
  }
}
}
