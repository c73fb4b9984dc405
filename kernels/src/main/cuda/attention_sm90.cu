// Attention over a tile index for sm_90a: the computation of attention.cu with warpgroup products.
//
// One block computes two neighbouring query tiles of a head. Their lists mostly name the same keys:
// a slash line that meets one tile at key k meets the next at k + 64, and dense lists are equal. One
// warpgroup copies, two compute a query tile each: the copying one walks both lists in the order of
// their keys and brings what both name once, into a ring of stages; each stage says who uses it.
//
// A computing warpgroup begins the scores of a stage together with the weighted sum of the stage
// before, and computes weights while that sum, and the products of the other warpgroup, are under
// way (as FlashAttention-3, arXiv 2407.08608, does).
//
// What decides here and there is the code that the assembler makes: it must see that stages, their
// slots and descriptors are the same for a whole warp, or it computes them in every lane and waits
// for them before each product; and it must see that no sum is touched while products add to it.
#include "attention_copy.cuh"

using namespace sparsefill;

namespace {

constexpr int BLOCK = GROUP * (1 + TILES);
// Registers of a thread; a block begins with 168 for each, and 128 (56 + 2 * 224) are 384 * 168.
constexpr int COPYING_REGISTERS = 56;
constexpr int COMPUTING_REGISTERS = 224;

// Blocks start in the order of their linear number: longest tiles first, and all heads of one query
// tile together, so that the heads of a KV group find keys and values in L2.
__device__ __forceinline__ unsigned blockNumber() {
  return blockIdx.y * gridDim.x + blockIdx.x;
}

__device__ __forceinline__ int headOfBlock(const AttentionParams& p) {
  return p.headList[blockNumber() % p.headCount];
}

// What a computing warpgroup has of its query tile.
template <int D>
struct Tile {
  const AttentionParams& p;
  int self;   // which of the block's tiles
  int row;    // first query
  int query;  // first of this lane's two
  QueryFragments<D> q;
  float o[D / 8][4];
  float maximum[2] = {NEGATIVE_INFINITY, NEGATIVE_INFINITY};  // in base-2 terms
  float sum[2] = {0.f, 0.f};                                  // of this lane's columns
  uint32_t weights[TILE / 16][4];
  unsigned ahead = 0;  // the next stage to look at
  unsigned current;    // the stage at hand
  int seen;            // the step of the stage ahead, once it is found
  int at;              // the step of the stage at hand

  __device__ __forceinline__ Tile(const AttentionParams& p, int self, int tile)
      : p(p), self(self), row(tile * TILE) {
    const int warpRow = row + threadIdx.x % GROUP / 32 * 16;
    query = warpRow + threadIdx.x % 32 / 4;
    q.load(p.q + headOfBlock(p) * D, p.ldq, warpRow, p.tokens);
#pragma unroll
    for (int n = 0; n < D / 8; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        o[n][i] = 0.f;
      }
    }
  }

  // Gives a stage back, when the whole warp has seen it filled and has read its step and keys.
  //
  // compute-sanitizer's racecheck reports the reads of the step in `find` against its next write in
  // copyAll. They are in order: every lane reads, __syncwarp, lane 0 arrives at `free`, and the
  // writing thread waits for `free` before it writes; the next read is after that thread's own
  // arrival at `filled`. What racecheck misses seems to be __syncwarp: of a warp that is together
  // the assembler leaves nothing of it but the order of its instructions.
  __device__ __forceinline__ void release(int slot) {
    __syncwarp();
    if (threadIdx.x % 32 == 0) {
      arrive(Ring<D>::free(slot));
    }
  }

  // Moves `ahead` to the next stage that this tile uses, and says whether it is there. Stages of the
  // other tile only are given back. Stages from `end` on are not waited for: they will not be filled
  // before this warpgroup gives one back that it still uses.
  __device__ __forceinline__ bool find(unsigned end) {
    while (ahead < end) {
      waitForPhase(Ring<D>::filled(slotOf(ahead)), parityOf(ahead));
      seen = *Ring<D>::step(slotOf(ahead));
      if (seen >> self & 1) {
        showCopiesToProducts();
        return true;
      }
      if ((seen & 3) == 0) {
        return false;
      }
      release(slotOf(ahead));
      ahead++;
    }
    return false;
  }

  // Begins the scores of the stage ahead.
  __device__ __forceinline__ void beginScores(float (&s)[TILE / 8][4]) {
    const uint32_t keys = tileDescriptor(Ring<D>::keyTile(slotOf(ahead)));
    beginProducts();
#pragma unroll
    for (int step = 0; step < D / 16; step++) {
      multiplyGroup<false>(s, q.a[step], keys + columnStep(step), step > 0);
    }
    commitProducts();
  }

  // Replaces the scores of keys that a query may not see.
  __device__ __forceinline__ void mask(float (&s)[TILE / 8][4]) {
    const int at = this->at >> 2;
    const int* keys = Ring<D>::keys(slotOf(current));
    // The last row of the last tile may lie behind the document; its window only masks too much.
    const int oldest = p.window == 0 ? 0 : row + TILE - p.window;
    const int nearest = at < 0 ? keys[TILE - 1] : at + TILE - 1;
    const int farthest = at < 0 ? keys[0] : at;
    if (nearest <= row && farthest >= oldest) {
      return;
    }
#pragma unroll
    for (int n = 0; n < TILE / 8; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int c = n * 8 + 2 * (threadIdx.x % 4) + i % 2;
        const int key = at < 0 ? keys[c] : at + c;
        const int t = query + 8 * (i / 2);
        const bool visible = key <= t && (p.window == 0 || key > t - p.window);
        s[n][i] = visible ? s[n][i] : NEGATIVE_INFINITY;
      }
    }
  }

  // Scores become weights; `factor` is what the sums so far are to be multiplied with.
  __device__ __forceinline__ void weigh(float (&s)[TILE / 8][4], float (&factor)[2]) {
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
  }

  // Begins the weighted sum of the current stage.
  __device__ __forceinline__ void beginSum() {
    const uint32_t values = tileDescriptor(Ring<D>::valueTile(slotOf(current)));
    beginProducts();
#pragma unroll
    for (int part = 0; part < TILE / 16; part++) {
      multiplyGroup<true>(o, weights[part], values + rowStep(part), true);
    }
    commitProducts();
  }

  // Weights as left operands of the next sum.
  __device__ __forceinline__ void pack(const float (&s)[TILE / 8][4]) {
#pragma unroll
    for (int part = 0; part < TILE / 16; part++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const float* pair = s[2 * part + i / 2] + 2 * (i % 2);
        weights[part][i] = packPair(pair[0], pair[1]);
      }
    }
  }

  // Multiplies the weighted sum so far.
  __device__ __forceinline__ void scale(const float (&factor)[2]) {
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
  }

  // Computes all stages of this tile. Where the next stage is not in reach, the products under way
  // are ended first, and begin anew when it is there.
  __device__ __forceinline__ void compute() {
    float s[TILE / 8][4];
    float factor[2];
    while (find(UINT32_MAX)) {
      beginScores(s);
      waitForProducts<0>(s);
      current = ahead++;
      at = seen;
      mask(s);
      weigh(s, factor);
      scale(factor);
      pack(s);
      bool more = find(current + STAGES);
      while (more) {
        beginScores(s);
        beginSum();
        waitForProducts<1>(s);
        const unsigned summing = current;
        current = ahead++;
        at = seen;
        mask(s);
        weigh(s, factor);
        pin(s);
        // The loop in here also keeps the assembler from moving the wait below to before the softmax.
        more = find(summing + STAGES);
        waitForProducts<0>(o);
        release(slotOf(summing));
        scale(factor);
        pack(s);
      }
      beginSum();
      waitForProducts<0>(o);
      release(slotOf(current));
    }
  }

  // Divides by the sums of weights and writes the rows that the document has.
  __device__ __forceinline__ void write() {
    const int head = headOfBlock(p);  // read again: it would take a register until here
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int t = query + 8 * half;
      const float total = quadSum(sum[half]);
      if (t >= p.tokens) {
        continue;
      }
      if (!(total > 0.f) && threadIdx.x % 4 == 0) {
        atomicMin(p.error, ((unsigned long long)head << 32) | (unsigned)t);
      }
      const float weight = 1.f / total;
      bf16* target = p.out + t * p.ldo + head * D + 2 * (threadIdx.x % 4);
#pragma unroll
      for (int n = 0; n < D / 8; n++) {
        *reinterpret_cast<uint32_t*>(target + n * 8) =
            packPair(o[n][2 * half] * weight, o[n][2 * half + 1] * weight);
      }
    }
  }
};

template <int D>
__device__ __forceinline__ void attend(const AttentionParams& p) {
  const int second =
      p.firstTile + p.queryTiles - 1 - TILES * (int)(blockNumber() / p.headCount);
  const int first = second - 1;  // may lie before the first tile: then it has nothing to do
  if (threadIdx.x == 0) {
    for (int slot = 0; slot < STAGES; slot++) {
      initBarrier(Ring<D>::filled(slot), GROUP + GROUP / 32);
      initBarrier(Ring<D>::free(slot), TILES * GROUP / 32);
    }
  }
  __syncthreads();

  const int warpgroup = __shfl_sync(0xffffffffu, threadIdx.x / GROUP, 0);
  if (warpgroup == 0) {
    giveRegisters<COPYING_REGISTERS>();
    const int4* rows =
        p.rows + (int64_t)(blockNumber() % p.headCount) * p.queryTiles - p.firstTile;
    int4 row0 = {0, 0, 0, 0};
    if (first >= p.firstTile) {
      row0 = rows[first];
    }
    copyAll<D>(p, headOfBlock(p) / (p.heads / p.kvHeads), row0, rows[second]);
  } else {
    takeRegisters<COMPUTING_REGISTERS>();
    const int self = warpgroup - 1;
    Tile<D> tile(p, self, first + self);
    tile.compute();
    if (first + self >= p.firstTile) {
      tile.write();
    }
  }
}

}  // namespace

#define ATTENTION_KERNEL(D)                                                                     \
  extern "C" {                                                                                  \
  __constant__ int attention_d##D##_launch[] = {BLOCK, Ring<D>::BYTES, TILES, 0};               \
  __global__ void __launch_bounds__(BLOCK, 1)                                                   \
      attention_d##D(const __grid_constant__ AttentionParams p) {                               \
    attend<D>(p);                                                                               \
  }                                                                                             \
  }

ATTENTION_KERNEL(64)
ATTENTION_KERNEL(96)
ATTENTION_KERNEL(128)
