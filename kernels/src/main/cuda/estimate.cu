// What vertical-slash heads look at before they choose their lines (MInference, arXiv 2407.02490,
// algorithm 2). The semantics are those of CpuEstimate.
//
// Line scores are the attention of the last 64 queries, summed over key columns and diagonals. Two
// launches pass over the keys, so that no [64, T] matrix is kept: line_max finds each row's maximum
// and weight sum for every block of keys, line_join joins them, line_sum adds up the probabilities.
// A block serves up to LINE_HEADS query heads of one KV head, 4 warps each, from one copy of the
// keys. Each sum has one order and one writer, so results repeat bit by bit.
#include <cstddef>

#include "index_table.cuh"
#include "tile_mma.cuh"

using namespace sparsefill;

// Mirrored by a record on the Java side; `line_layout` lets a test compare the offsets.
struct LineParams {
  const bf16* q;
  const bf16* k;
  float* vertical;          // [lines][ldScores]
  float* slash;             // [lines][ldScores]
  float* partials;          // [lines][blocks][2][64]
  float* joined;            // [lines][2][64]
  const HeadEntry* entries;
  const int* lineHeads;     // [lines]: which entries
  const int* items;         // [items][LINE_HEADS]: lines of one KV head, -1 behind the last
  int64_t ldq;
  int64_t ldk;
  int64_t ldScores;
  int tokens;
  int group;                // query heads of a KV head
  int blocks;
  int blockTiles;           // key tiles of one block
  int window;
  float scaleLog2;
};

extern "C" {
__constant__ int line_layout[] = {
    (int)sizeof(LineParams),
    (int)offsetof(LineParams, q),
    (int)offsetof(LineParams, k),
    (int)offsetof(LineParams, vertical),
    (int)offsetof(LineParams, slash),
    (int)offsetof(LineParams, partials),
    (int)offsetof(LineParams, joined),
    (int)offsetof(LineParams, entries),
    (int)offsetof(LineParams, lineHeads),
    (int)offsetof(LineParams, items),
    (int)offsetof(LineParams, ldq),
    (int)offsetof(LineParams, ldk),
    (int)offsetof(LineParams, ldScores),
    (int)offsetof(LineParams, tokens),
    (int)offsetof(LineParams, group),
    (int)offsetof(LineParams, blocks),
    (int)offsetof(LineParams, blockTiles),
    (int)offsetof(LineParams, window),
    (int)offsetof(LineParams, scaleLog2)};
}

// Outside the unnamed namespace, whose mangled names depend on where the compiler finds the file.
extern __shared__ __align__(16) unsigned char memory[];

namespace {

// Heads that one block serves: as many as the registers of a multiprocessor hold.
constexpr int LINE_HEADS = 4;
constexpr int LINE_THREADS = LINE_HEADS * THREADS;

// Within a warp's 16 rows and 64 columns, rows r and r + 8 are added first: for a column as they lie,
// for a diagonal with columns c and c + 8. What is left has 8 rows, and diagonals from
// column - row = -15 to 63.
constexpr int FOLDED_ROWS = 8;
constexpr int DIAGONALS = 79;
constexpr int CORNER = 15;  // the first of them lies so far before column - row = 0

// Floats of a row of folded diagonals: written by lanes of 8 rows, with two on a bank at most.
constexpr int FOLDED_STRIDE = 89;

// Sums of one head in shared memory: diagonals of each warp's rows, then of the rows together, and
// the columns.
struct HeadSums {
  float folded[4][FOLDED_ROWS * FOLDED_STRIDE];
  float diagonals[4][DIAGONALS + 1];
  float columns[4][TILE];
};

template <int D>
struct LineMemory {
  static constexpr int STAGES = 2 * TileLayout<D>::BYTES;
  static constexpr int HEAD_BYTES = (int)sizeof(HeadSums);
  static constexpr int SUM_BYTES = STAGES + LINE_HEADS * HEAD_BYTES;
};

// Of 2 * HALF numbers keeps those of one half, and adds the same ones of the lane that keeps the
// other half.
template <int HALF>
__device__ __forceinline__ void halve(float (&v)[TILE / 4]) {
  const bool upper = threadIdx.x & (2 * HALF);
#pragma unroll
  for (int j = 0; j < HALF; j++) {
    const float first = v[j];
    const float second = v[j + HALF];
    const float given = __shfl_xor_sync(0xffffffffu, upper ? first : second, 2 * HALF);
    v[j] = (upper ? second : first) + given;
  }
}

// Adds up the columns of a warp's 16 rows of probabilities. Lanes of 8 rows halve what they hold
// three times, each half added to that of another lane; two columns are left to each.
__device__ __forceinline__ void sumColumns(const float (&p)[TILE / 8][4], float* columns) {
  const int lane = threadIdx.x % 32;
  float v[TILE / 4];
#pragma unroll
  for (int n = 0; n < TILE / 8; n++) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      v[2 * n + i] = p[n][i] + p[n][2 + i];
    }
  }
  halve<8>(v);
  halve<4>(v);
  halve<2>(v);
  // Bits 16, 8 and 4 of the lane say which half was kept, of 8, 4 and 2 numbers.
  const int n = lane / 16 * 4 + lane / 8 % 2 * 2 + lane / 4 % 2;
  *reinterpret_cast<float2*>(columns + n * 8 + 2 * (lane % 4)) = make_float2(v[0], v[1]);
}

// Adds up the diagonals of a warp's 16 rows of probabilities; `folded` is zero where no lane writes.
__device__ __forceinline__ void sumDiagonals(
    const float (&p)[TILE / 8][4], float* folded, float* diagonals) {
  const int lane = threadIdx.x % 32;
  const int row = lane / 4;
  float* target = folded + row * FOLDED_STRIDE + CORNER - row + 2 * (lane % 4);
#pragma unroll
  for (int n = -1; n < TILE / 8; n++) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const float upper = n < 0 ? 0.f : p[n < 0 ? 0 : n][i];
      const float below = n == TILE / 8 - 1 ? 0.f : p[n == TILE / 8 - 1 ? 0 : n + 1][2 + i];
      target[n * 8 + i] = upper + below;
    }
  }
  __syncwarp();
  for (int k = lane; k < DIAGONALS; k += 32) {
    float sum = 0.f;
#pragma unroll
    for (int r = 0; r < FOLDED_ROWS; r++) {
      sum += folded[r * FOLDED_STRIDE + k];
    }
    diagonals[k] = sum;
  }
}

// The sum over the warps of a tile's diagonal column + 63 - row = t.
__device__ __forceinline__ float diagonalSum(const HeadSums& sums, int t) {
  float sum = 0.f;
#pragma unroll
  for (int warp = 0; warp < 4; warp++) {
    const int k = t - (TILE - 1) + 16 * warp + CORNER;
    sum += k >= 0 && k < DIAGONALS ? sums.diagonals[warp][k] : 0.f;
  }
  return sum;
}

// What the warps of one head in a block work on.
struct Line {
  int number;  // which line, or -1 where the block serves fewer heads
  int head;
  int thread;  // of the head's 128
  int warpRow;

  __device__ __forceinline__ explicit Line(const LineParams& p) {
    number = p.items[blockIdx.y * LINE_HEADS + threadIdx.x / THREADS];
    head = number < 0 ? 0 : p.entries[p.lineHeads[number]].head;
    thread = threadIdx.x % THREADS;
    warpRow = thread / 32 * 16;
  }
};

// The keys of the block's KV head.
__device__ __forceinline__ const bf16* keysOf(const LineParams& p, int headDim) {
  const int head = p.entries[p.lineHeads[p.items[blockIdx.y * LINE_HEADS]]].head;
  return p.k + head / p.group * headDim;
}

// Like copyRows, by all threads of the block.
template <int D>
__device__ __forceinline__ void copyKeys(
    uint32_t tile, const bf16* keys, const LineParams& p, int key) {
  using Layout = TileLayout<D>;
  for (int piece = threadIdx.x; piece < TILE * Layout::CHUNKS; piece += blockDim.x) {
    const int row = piece / Layout::CHUNKS;
    const int chunk = piece % Layout::CHUNKS;
    const bool present = key + row < p.tokens;
    const bf16* source = keys + (present ? key + row : 0) * p.ldk + chunk * 8;
    copyAsync(tile + row * Layout::ROW_BYTES + chunk * 16, source, present);
  }
}

// Whether no query of the estimate sees a key before `end`.
__device__ __forceinline__ bool outside(const LineParams& p, int end) {
  return end <= firstKey(max(0, p.tokens - TILE), p.window);
}

// The keys' scores of one tile in base-2 terms, -inf where the query may not see the key or does
// not exist (row r is query T - 64 + r, below zero in documents shorter than that).
template <int D>
__device__ __forceinline__ void lineScores(float (&s)[TILE / 8][4], const QueryFragments<D>& q,
    const LineParams& p, const Line& line, uint32_t keyTile, int key0) {
  scoreTile<D>(s, q, keyTile);
  const int oldestQuery = p.tokens - TILE;
  if (key0 + TILE - 1 <= oldestQuery && (p.window == 0 || key0 > p.tokens - 1 - p.window)) {
#pragma unroll
    for (int n = 0; n < TILE / 8; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        s[n][i] *= p.scaleLog2;
      }
    }
    return;
  }
  const int lane = threadIdx.x % 32;
  const int first = oldestQuery + line.warpRow + lane / 4;
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

// partials[line][block][0][row] = maximum, [1][row] = sum of 2^(score - maximum), in base-2 terms.
template <int D>
__device__ __forceinline__ void lineMax(const LineParams& p) {
  using Layout = TileLayout<D>;
  const uint32_t stages = sharedAddress(memory);
  const Line line(p);
  const bf16* keys = keysOf(p, D);
  const int begin = blockIdx.x * p.blockTiles * TILE;
  const int end = min(begin + p.blockTiles * TILE, p.tokens);
  const int lane = threadIdx.x % 32;
  const int from = outside(p, end) ? end : begin;

  if (from < end) {
    copyKeys<D>(stages, keys, p, from);
  }
  commitCopies();
  QueryFragments<D> q;
  q.load(p.q + line.head * D, p.ldq, p.tokens - TILE + line.warpRow, p.tokens);
  float maximum[2] = {NEGATIVE_INFINITY, NEGATIVE_INFINITY};
  float sum[2] = {0.f, 0.f};
  int stage = 0;
  for (int key = from; key < end; key += TILE, stage ^= 1) {
    waitForCopies();
    __syncthreads();
    if (key + TILE < end) {
      copyKeys<D>(stages + (stage ^ 1) * Layout::BYTES, keys, p, key + TILE);
    }
    commitCopies();
    if (line.number < 0) {
      continue;
    }
    float s[TILE / 8][4];
    lineScores<D>(s, q, p, line, stages + stage * Layout::BYTES, key);
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
  if (line.number < 0) {
    return;
  }
  float* partial = p.partials + ((int64_t)line.number * p.blocks + blockIdx.x) * 2 * TILE;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const float best = quadMax(maximum[half]);
    const float base = best == NEGATIVE_INFINITY ? 0.f : best;
    const float total = quadSum(sum[half] * exp2Fast(maximum[half] - base));
    if (lane % 4 == 0) {
      const int row = line.warpRow + lane / 4 + 8 * half;
      partial[row] = best;
      partial[TILE + row] = total;
    }
  }
}

// Column sums of the block's keys, and the diagonals t = T - 1 - (query - key) that begin in it: of
// those, the first 63 also cross the tile before the block, which is therefore computed once more.
template <int D>
__device__ __forceinline__ void lineSum(const LineParams& p) {
  using Layout = TileLayout<D>;
  using Memory = LineMemory<D>;
  const uint32_t stages = sharedAddress(memory);
  const Line line(p);
  const bf16* keys = keysOf(p, D);
  const int begin = blockIdx.x * p.blockTiles * TILE;
  const int end = min(begin + p.blockTiles * TILE, p.tokens);
  const int lane = threadIdx.x % 32;
  const bool diagonal = line.thread < TILE;  // half of the threads add up diagonals, half columns
  const int at = line.thread % TILE;
  float* scores =
      (diagonal ? p.slash : p.vertical) + (int64_t)max(line.number, 0) * p.ldScores + at;
  if (outside(p, end)) {
    for (int key = begin; line.number >= 0 && key + at < end; key += TILE) {
      scores[key] = 0.f;
    }
    return;
  }

  const int from = max(0, begin - TILE);
  copyKeys<D>(stages, keys, p, from);
  commitCopies();
  QueryFragments<D> q;
  q.load(p.q + line.head * D, p.ldq, p.tokens - TILE + line.warpRow, p.tokens);
  float base[2];
  float weight[2];
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const float* joined = p.joined + (int64_t)max(line.number, 0) * 2 * TILE + line.warpRow +
        lane / 4 + 8 * half;
    base[half] = joined[0];
    weight[half] = joined[TILE];
  }

  HeadSums& sums =
      reinterpret_cast<HeadSums*>(memory + Memory::STAGES)[threadIdx.x / THREADS];
  const int warp = line.thread / 32;
  for (int i = lane; i < FOLDED_ROWS * FOLDED_STRIDE; i += 32) {
    sums.folded[warp][i] = 0.f;
  }
  __syncwarp();
  float carry = 0.f;  // of the diagonal that begins in the tile before
  int stage = 0;
  for (int key = from; key < end; key += TILE, stage ^= 1) {
    waitForCopies();
    __syncthreads();
    if (key + TILE < end) {
      copyKeys<D>(stages + (stage ^ 1) * Layout::BYTES, keys, p, key + TILE);
    }
    commitCopies();
    if (line.number < 0) {
      __syncthreads();
      continue;
    }
    float s[TILE / 8][4];
    lineScores<D>(s, q, p, line, stages + stage * Layout::BYTES, key);
#pragma unroll
    for (int n = 0; n < TILE / 8; n++) {
#pragma unroll
      for (int j = 0; j < 4; j++) {
        s[n][j] = exp2Fast(s[n][j] - base[j / 2]) * weight[j / 2];
      }
    }
    sumColumns(s, sums.columns[warp]);
    sumDiagonals(s, sums.folded[warp], sums.diagonals[warp]);
    __syncthreads();
    // Diagonals that end in the next tile are carried there.
    float sum;
    if (diagonal) {
      sum = carry + diagonalSum(sums, at);
      carry = diagonalSum(sums, at + TILE);
    } else {
      sum = (sums.columns[0][at] + sums.columns[1][at]) +
          (sums.columns[2][at] + sums.columns[3][at]);
    }
    if (key >= begin && key + at < p.tokens) {
      scores[key] = sum;
    }
  }
}

constexpr int JOIN_THREADS = 1024;
constexpr int JOIN_PARTS = JOIN_THREADS / TILE;

}  // namespace

// Launch tables: threads and memory for LINE_HEADS heads, heads, memory of each head.
#define LINE_KERNELS(D)                                                                        \
  extern "C" {                                                                                 \
  __constant__ int line_max_d##D##_launch[] = {LINE_THREADS, LineMemory<D>::STAGES, LINE_HEADS, 0}; \
  __constant__ int line_sum_d##D##_launch[] = {                                                \
      LINE_THREADS, LineMemory<D>::SUM_BYTES, LINE_HEADS, LineMemory<D>::HEAD_BYTES};          \
  __global__ void __launch_bounds__(LINE_THREADS, 1)                                           \
      line_max_d##D(const __grid_constant__ LineParams p) {                                    \
    lineMax<D>(p);                                                                             \
  }                                                                                            \
  __global__ void __launch_bounds__(LINE_THREADS, 1)                                           \
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
__constant__ int line_join_launch[] = {JOIN_THREADS, 0, 0, 0};

// joined[line][0][row] = maximum over all blocks, [1][row] = 1 / weight sum; one block for a line.
__global__ void __launch_bounds__(JOIN_THREADS) line_join(const __grid_constant__ LineParams p) {
  __shared__ float parts[JOIN_PARTS][TILE];
  const int row = threadIdx.x % TILE;
  const int part = threadIdx.x / TILE;
  const float* partials = p.partials + (int64_t)blockIdx.x * p.blocks * 2 * TILE;
  float best = NEGATIVE_INFINITY;
  for (int block = part; block < p.blocks; block += JOIN_PARTS) {
    best = fmaxf(best, partials[(int64_t)block * 2 * TILE + row]);
  }
  parts[part][row] = best;
  __syncthreads();
  for (int other = 0; other < JOIN_PARTS; other++) {
    best = fmaxf(best, parts[other][row]);
  }
  __syncthreads();
  const float base = best == NEGATIVE_INFINITY ? 0.f : best;
  float total = 0.f;
  for (int block = part; block < p.blocks; block += JOIN_PARTS) {
    const float* partial = partials + (int64_t)block * 2 * TILE;
    total += partial[TILE + row] * exp2Fast(partial[row] - base);
  }
  parts[part][row] = total;
  __syncthreads();
  if (part == 0) {
    total = 0.f;
    for (int other = 0; other < JOIN_PARTS; other++) {
      total += parts[other][row];
    }
    float* joined = p.joined + (int64_t)blockIdx.x * 2 * TILE;
    joined[row] = base;
    // Rows before the document have no weight.
    joined[TILE + row] = p.tokens - TILE + row >= 0 ? 1.f / total : 0.f;
  }
}
}
