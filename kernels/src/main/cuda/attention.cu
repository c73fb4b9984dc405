// Attention over a tile index: out = softmax(scale * q k^T restricted to the index and causality) v.
//
// One block of 4 warps computes one (query tile of 64 rows, head) as CpuAttention does: the key
// tiles of its runs, which may begin at any key, then its single columns gathered 64 at a time,
// with the online softmax of FlashAttention-2 (arXiv 2307.08691) in base 2. Products are bf16 with
// fp32 sums; weights are rounded to bf16 for the second product only, their sum is not.
//
// While one pair of K and V tiles is used, the next is on its way into the other half of shared
// memory: one barrier for each tile says both that the copy has arrived and that nobody reads the
// half which is filled next.
#include "attention_params.cuh"

using namespace sparsefill;

// Outside the unnamed namespace, whose mangled names depend on where the compiler finds the file.
extern __shared__ __align__(16) unsigned char memory[];

namespace {

// Two stages of (K tile, V tile), then the keys of each stage's gathered columns.
template <int D>
struct AttentionMemory {
  static constexpr int STAGE = 2 * TileLayout<D>::BYTES;
  static constexpr int KEYS = 2 * STAGE;
  static constexpr int BYTES = KEYS + 2 * TILE * (int)sizeof(int);
};

// What one step computes: a key tile that begins at key `at` (`columns` is 0), or that many single
// columns from position `at` of the column list. Steps after the last one have `at` = -1.
struct Step {
  int at;
  int columns;
};

// Walks the runs of a query tile, then its columns. All threads of a block walk alike.
struct Steps {
  int run;
  int runEnd;
  int column;
  int columnEnd;
  int key = 0;
  int left = 0;

  // `row` says where the query tile's runs and columns lie.
  __device__ __forceinline__ explicit Steps(const int4& row)
      : run(row.x), runEnd(row.x + row.y), column(row.z), columnEnd(row.z + row.w) {}

  __device__ __forceinline__ Step next(const AttentionParams& p) {
    if (left == 0 && run < runEnd) {
      const int2 next = p.runs[run++];
      key = next.x;
      left = next.y;
    }
    if (left > 0) {
      const Step step = {key, 0};
      key += TILE;
      left--;
      return step;
    }
    if (column < columnEnd) {
      const Step step = {column, min(TILE, columnEnd - column)};
      column += TILE;
      return step;
    }
    return {-1, 0};
  }
};

// Begins the copy of one step's keys and values, and notes which keys gathered columns are.
template <int D>
__device__ __forceinline__ void fetch(const AttentionParams& p, const Step& step, int group,
    uint32_t stage, int* stageKeys) {
  using Layout = TileLayout<D>;
  const bf16* k = p.k + group * D;
  const bf16* v = p.v + group * D;
  if (step.columns == 0) {
    copyRows<D>(stage, k, p.ldk, step.at, p.tokens);
    copyRows<D>(stage + Layout::BYTES, v, p.ldv, step.at, p.tokens);
    return;
  }
  const int* columns = p.columns + step.at;
  const int thread = threadNow();
#pragma unroll
  for (int i = 0; i < Layout::COPIES; i++) {
    const int piece = thread + i * THREADS;
    const int row = piece / Layout::CHUNKS;
    const int chunk = piece % Layout::CHUNKS;
    const bool present = row < step.columns;
    const int64_t key = present ? columns[row] : 0;
    const uint32_t target = stage + row * Layout::ROW_BYTES + chunk * 16;
    copyAsync(target, k + key * p.ldk + chunk * 8, present);
    copyAsync(target + Layout::BYTES, v + key * p.ldv + chunk * 8, present);
  }
  if (thread < TILE) {
    stageKeys[thread] = thread < step.columns ? columns[thread] : INT32_MAX;
  }
}

// Replaces the scores of keys that a query may not see; `row` is the first query of the tile.
__device__ __forceinline__ void mask(float (&s)[TILE / 8][4], const AttentionParams& p,
    const Step& step, int row, const int* stageKeys) {
  // The last row of the last tile may lie behind the document; its window only masks too much.
  const int oldest = p.window == 0 ? 0 : row + TILE - p.window;
  const int nearest = step.columns > 0 ? stageKeys[TILE - 1] : step.at + TILE - 1;
  const int farthest = step.columns > 0 ? stageKeys[0] : step.at;
  if (nearest <= row && farthest >= oldest) {
    return;
  }
  const int thread = threadNow();
  const int lane = thread % 32;
  const int first = row + (thread / 32) * 16 + lane / 4;
#pragma unroll
  for (int n = 0; n < TILE / 8; n++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int c = n * 8 + 2 * (lane % 4) + i % 2;
      const int key = step.columns > 0 ? stageKeys[c] : step.at + c;
      const int query = first + 8 * (i / 2);
      const bool visible = key <= query && (p.window == 0 || key > query - p.window);
      s[n][i] = visible ? s[n][i] : NEGATIVE_INFINITY;
    }
  }
}

template <int D>
__device__ __forceinline__ void attend(const AttentionParams& p) {
  using Layout = TileLayout<D>;
  using Memory = AttentionMemory<D>;
  const uint32_t stages = sharedAddress(memory);
  int* keys = reinterpret_cast<int*>(memory + Memory::KEYS);

  // Blocks start in the order of their linear number: longest tiles first, and all heads of one
  // query tile together, so that the heads of a KV group find keys and values in L2.
  const unsigned item = blockIdx.y * gridDim.x + blockIdx.x;
  const int listed = item % p.headCount;
  const int head = p.headList[listed];
  const int tile = p.firstTile + p.queryTiles - 1 - (int)(item / p.headCount);
  const int group = head / (p.heads / p.kvHeads);
  const int row = tile * TILE;
  const int warpRow = row + (threadIdx.x / 32) * 16;

  Steps steps(p.rows[(int64_t)listed * p.queryTiles + tile - p.firstTile]);
  Step step = steps.next(p);
  if (step.at >= 0) {
    fetch<D>(p, step, group, stages, keys);
  }
  commitCopies();
  QueryFragments<D> q;
  q.load(p.q + head * D, p.ldq, warpRow, p.tokens);

  float o[D / 8][4];
#pragma unroll
  for (int n = 0; n < D / 8; n++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      o[n][i] = 0.f;
    }
  }
  float maximum[2] = {NEGATIVE_INFINITY, NEGATIVE_INFINITY};  // in base-2 terms
  float sum[2] = {0.f, 0.f};                                  // of this lane's columns

  for (int stage = 0; step.at >= 0; stage ^= 1) {
    waitForCopies();
    __syncthreads();
    const Step following = steps.next(p);
    if (following.at >= 0) {
      fetch<D>(p, following, group, stages + (stage ^ 1) * Memory::STAGE, keys + (stage ^ 1) * TILE);
    }
    commitCopies();

    const uint32_t keyTile = stages + stage * Memory::STAGE;
    float s[TILE / 8][4];
    scoreTile<D>(s, q, keyTile);
    mask(s, p, step, row, keys + stage * TILE);

    float factor[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float best = NEGATIVE_INFINITY;
#pragma unroll
      for (int n = 0; n < TILE / 8; n++) {
        best = fmaxf(best, fmaxf(s[n][2 * half], s[n][2 * half + 1]));
      }
      const float larger = fmaxf(maximum[half], quadMax(best) * p.scaleLog2);
      // A row that has seen no key yet keeps the maximum -inf; zero then stands for it.
      const float base = larger == NEGATIVE_INFINITY ? 0.f : larger;
      factor[half] = exp2Fast(maximum[half] - base);
      maximum[half] = larger;
      float added = 0.f;
#pragma unroll
      for (int n = 0; n < TILE / 8; n++) {
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; i++) {
          s[n][i] = exp2Fast(fmaf(s[n][i], p.scaleLog2, -base));
          added += s[n][i];
        }
      }
      sum[half] = sum[half] * factor[half] + added;
    }
    // After the first tiles the maximum seldom grows.
    if (__any_sync(0xffffffffu, factor[0] != 1.f || factor[1] != 1.f)) {
#pragma unroll
      for (int n = 0; n < D / 8; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          o[n][i] *= factor[i / 2];
        }
      }
    }

    // Matrices in the order (keys 0-7, dims 0-7), (keys 8-15, dims 0-7), then dims 8-15 likewise.
    const int lane = threadNow() % 32;
    const uint32_t corner = keyTile + Layout::BYTES +
        (((lane / 8) % 2) * 8 + lane % 8) * Layout::ROW_BYTES + (lane / 16) * 16;
#pragma unroll
    for (int part = 0; part < TILE / 16; part++) {
      const uint32_t weights[4] = {packPair(s[2 * part][0], s[2 * part][1]),
          packPair(s[2 * part][2], s[2 * part][3]),
          packPair(s[2 * part + 1][0], s[2 * part + 1][1]),
          packPair(s[2 * part + 1][2], s[2 * part + 1][3])};
#pragma unroll
      for (int n = 0; n < D / 8; n += 2) {
        uint32_t b[4];
        loadMatricesTransposed(b, corner + part * 16 * Layout::ROW_BYTES + n * 16);
        multiply(o[n], weights, b[0], b[1]);
        multiply(o[n + 1], weights, b[2], b[3]);
      }
    }
    step = following;
  }

  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int query = warpRow + lane / 4 + 8 * half;
    const float total = quadSum(sum[half]);
    if (query >= p.tokens) {
      continue;
    }
    if (!(total > 0.f) && lane % 4 == 0) {
      atomicMin(p.error, ((unsigned long long)head << 32) | (unsigned)query);
    }
    const float weight = 1.f / total;
    bf16* target = p.out + query * p.ldo + head * D + 2 * (lane % 4);
#pragma unroll
    for (int n = 0; n < D / 8; n++) {
      *reinterpret_cast<uint32_t*>(target + n * 8) =
          packPair(o[n][2 * half] * weight, o[n][2 * half + 1] * weight);
    }
  }
}

}  // namespace

// BLOCKS, the blocks that share a multiprocessor, bounds the registers: 168 for 3 blocks. D = 128
// would spill with that.
#define ATTENTION_KERNEL(D, BLOCKS)                                                             \
  extern "C" {                                                                                  \
  __constant__ int attention_d##D##_launch[] = {THREADS, AttentionMemory<D>::BYTES, 1, 0};      \
  __global__ void __launch_bounds__(THREADS, BLOCKS)                                            \
      attention_d##D(const __grid_constant__ AttentionParams p) {                               \
    attend<D>(p);                                                                               \
  }                                                                                             \
  }

ATTENTION_KERNEL(32, 3)
ATTENTION_KERNEL(64, 3)
ATTENTION_KERNEL(80, 3)
ATTENTION_KERNEL(96, 3)
ATTENTION_KERNEL(128, 2)
