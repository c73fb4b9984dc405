// Attention over a tile index for sm_90a: the computation of attention.cu with warpgroup products.
//
// One block computes two neighbouring query tiles of a head. Their lists mostly name the same keys:
// a slash line that meets one tile at key k meets the next at k + 64, and dense lists are equal. One
// warpgroup copies, two compute a query tile each: the copying one walks both lists in the order of
// their keys and brings what both name once, into a ring of stages; each stage says who uses it.
//
// A computing warpgroup begins the scores of its next stage before the softmax of the one at hand,
// and has the weighted sum of the one before still running, so that the tensor cores have work
// while it computes weights (as FlashAttention-3, arXiv 2407.08608, does).
#include "attention_params.cuh"
#include "wgmma.cuh"

using namespace sparsefill;

// Outside the unnamed namespace, whose mangled names depend on where the compiler finds the file.
extern __shared__ __align__(1024) unsigned char memory[];

namespace {

constexpr int TILES = 2;                         // query tiles of a block
constexpr int BLOCK = GROUP * (1 + TILES);
constexpr int COPYING_REGISTERS = 56;            // 128 (56 + 2 * 224) are what a block begins with:
constexpr int COMPUTING_REGISTERS = 224;         // 384 * 168
constexpr int STAGES = 6;

// Stages of (K tile, V tile), then of each stage: the keys of gathered columns, the step, and the
// barriers that say it is filled and free.
template <int D>
struct Ring {
  static constexpr int TILE_BYTES = (D + 63) / 64 * HALF_BYTES;
  static constexpr int KEYS = STAGES * 2 * TILE_BYTES;
  static constexpr int STEPS = KEYS + STAGES * TILE * (int)sizeof(int);
  static constexpr int FILLED = STEPS + STAGES * (int)sizeof(int2);
  static constexpr int FREE = FILLED + STAGES * 8;
  static constexpr int BYTES = FREE + STAGES * 8;

  __device__ static __forceinline__ uint32_t keyTile(int slot) {
    return sharedAddress(memory) + slot * 2 * TILE_BYTES;
  }

  __device__ static __forceinline__ uint32_t valueTile(int slot) {
    return keyTile(slot) + TILE_BYTES;
  }

  __device__ static __forceinline__ int* keys(int slot) {
    return reinterpret_cast<int*>(memory + KEYS) + slot * TILE;
  }

  // x: first key, or -1 for gathered columns; y: a bit for each query tile that uses it, 0 at the end.
  __device__ static __forceinline__ int2* step(int slot) {
    return reinterpret_cast<int2*>(memory + STEPS) + slot;
  }

  __device__ static __forceinline__ uint32_t filled(int slot) {
    return sharedAddress(memory) + FILLED + slot * 8;
  }

  __device__ static __forceinline__ uint32_t free(int slot) {
    return sharedAddress(memory) + FREE + slot * 8;
  }
};

// The slot of a stage, by its number in the order of all steps.
__device__ __forceinline__ int slotOf(unsigned stage) { return stage % STAGES; }

// The parity of the phase that ends when that stage is filled; the one before ends when it is free.
__device__ __forceinline__ uint32_t parityOf(unsigned stage) { return stage / STAGES % 2; }

// The key tiles of a query tile's runs, one after the other. Each lane holds one of 32 runs, so that
// memory is waited for once in 32 runs.
struct Runs {
  int first;  // run, of the list of this query tile
  int count;
  int next = 0;
  int2 held;
  int key;  // of the tile at hand; INT32_MAX after the last
  int left;

  __device__ __forceinline__ Runs(const AttentionParams& p, const int4& row)
      : first(row.x), count(row.y) {
    begin(p);
  }

  __device__ __forceinline__ void begin(const AttentionParams& p) {
    if (next == count) {
      key = INT32_MAX;
      return;
    }
    if (next % 32 == 0) {
      const int run = next + threadIdx.x % 32;
      if (run < count) {
        held = p.runs[first + run];
      }
    }
    key = __shfl_sync(0xffffffffu, held.x, next % 32);
    left = __shfl_sync(0xffffffffu, held.y, next % 32);
    next++;
  }

  __device__ __forceinline__ void advance(const AttentionParams& p) {
    key += TILE;
    if (--left == 0) {
      begin(p);
    }
  }
};

// The single columns of a query tile, 64 at a time: this lane's key of those at hand is read ahead.
struct Columns {
  int next;
  int left;
  int ahead;

  __device__ __forceinline__ Columns(const AttentionParams& p, const int4& row, int place)
      : next(row.z + place), left(row.w), ahead(read(p, place)) {}

  __device__ __forceinline__ int read(const AttentionParams& p, int place) const {
    return place < left ? p.columns[next] : INT32_MAX;
  }

  __device__ __forceinline__ int take(const AttentionParams& p, int place) {
    const int key = ahead;
    next += TILE;
    left -= TILE;
    ahead = read(p, place);
    return key;
  }
};

// The part of this lane in copying a stage: its warp brings 16 of the 64 rows, ROWS at once.
template <int D>
struct Copies {
  static constexpr int LANES = D > 64 ? 16 : 8;  // of a row; if D = 96, four of them have no part
  static constexpr int ROWS = 32 / LANES;
  const bf16* k;    // this lane's 16 bytes of key 0 and value 0
  const bf16* v;
  int first;        // row of a tile
  uint32_t target;  // from the tile's begin; also that of row + ROWS * i, but for its swizzling
  bool part;

  __device__ __forceinline__ Copies(const AttentionParams& p, int group)
      : first(threadIdx.x / 32 * 16 + threadIdx.x % 32 / LANES),
        target(swizzled(first, threadIdx.x % LANES)),
        part(threadIdx.x % LANES < D / 8) {
    k = p.k + group * D + threadIdx.x % LANES * 8;
    v = p.v + group * D + threadIdx.x % LANES * 8;
  }

  __device__ __forceinline__ uint32_t place(int slot, int i) const {
    return ((Ring<D>::keyTile(slot) + target) ^ (i * ROWS % 8 * 16)) + i * ROWS * 128;
  }

  // Keys `at` to `at` + 63, all of them in the document.
  __device__ __forceinline__ void run(const AttentionParams& p, int slot, int at) const {
    if (part) {
      const bf16* fromK = k + (at + first) * p.ldk;
      const bf16* fromV = v + (at + first) * p.ldv;
#pragma unroll
      for (int i = 0; i < 16 / ROWS; i++) {
        copyAsync(place(slot, i), fromK, true);
        copyAsync(place(slot, i) + Ring<D>::TILE_BYTES, fromV, true);
        fromK += ROWS * p.ldk;
        fromV += ROWS * p.ldv;
      }
    }
  }

  // Any keys: `key` is that of row lane % 16 of the warp's. Those after the document become zeros.
  __device__ __forceinline__ void gather(const AttentionParams& p, int slot, int key) const {
    const int row = threadNow() % 32 / LANES;
#pragma unroll
    for (int i = 0; i < 16 / ROWS; i++) {
      const int from = __shfl_sync(0xffffffffu, key, row + ROWS * i);
      const bool present = from < p.tokens;
      const int64_t source = present ? from : 0;
      if (part) {
        copyAsync(place(slot, i), k + source * p.ldk, present);
        copyAsync(place(slot, i) + Ring<D>::TILE_BYTES, v + source * p.ldv, present);
      }
    }
  }
};

// The copying warpgroup.
template <int D>
__device__ __forceinline__ void copyAll(
    const AttentionParams& p, int group, const int4& row0, const int4& row1) {
  const Copies<D> copies(p, group);
  const int place = threadIdx.x / 32 * 16 + threadIdx.x % 16;  // of this lane's key in a tile
  Runs runs0(p, row0);
  Runs runs1(p, row1);
  Columns columns0(p, row0, place);
  Columns columns1(p, row1, place);
  unsigned stage = 0;
  for (int turn = 0;; turn ^= 1) {
    int2 step = {min(runs0.key, runs1.key), 0};
    int key;
    if (step.x != INT32_MAX) {
      key = step.x + place;
      if (runs0.key == step.x) {
        step.y |= 1;
        runs0.advance(p);
      }
      if (runs1.key == step.x) {
        step.y |= 2;
        runs1.advance(p);
      }
    } else {
      step.x = -1;
      if (columns0.left > 0 && (turn == 0 || columns1.left <= 0)) {
        step.y = 1;
        key = columns0.take(p, place);
      } else if (columns1.left > 0) {
        step.y = 2;
        key = columns1.take(p, place);
      }
    }
    const int slot = slotOf(stage);
    waitForPhase(Ring<D>::free(slot), parityOf(stage) ^ 1);
    if (threadIdx.x == 0) {
      *Ring<D>::step(slot) = step;
    }
    if (step.x >= 0 && step.x <= p.tokens - TILE) {
      copies.run(p, slot, step.x);
    } else if (step.y != 0) {
      if (step.x < 0 && threadIdx.x % 32 < 16) {
        Ring<D>::keys(slot)[place] = key;
      }
      copies.gather(p, slot, key);
    }
    arriveAfterCopies(Ring<D>::filled(slot));
    __syncwarp();
    if (threadIdx.x % 32 == 0) {
      arrive(Ring<D>::filled(slot));  // for the step and the keys, which are no copies
    }
    if (step.y == 0) {
      return;
    }
    stage++;
  }
}

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
  unsigned ahead = 0;  // the next stage to look at
  unsigned current;    // the stage whose scores are computed
  unsigned oldest;     // the first stage that is still used: of the weighted sum under way, if any

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

  __device__ __forceinline__ void release(int slot) {
    __syncwarp();  // the whole warp has seen it filled, and has read its step and keys
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
      const int users = Ring<D>::step(slotOf(ahead))->y;
      if (users >> self & 1) {
        return true;
      }
      if (users == 0) {
        return false;
      }
      release(slotOf(ahead));
      ahead++;
    }
    return false;
  }

  // Begins the scores of the stage ahead.
  __device__ __forceinline__ void beginScores(float (&s)[TILE / 8][4]) {
    showCopiesToProducts();
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
    const int at = Ring<D>::step(slotOf(current))->x;
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

  // Ends the weighted sum under way and begins the one of the current stage, with its scores `s`;
  // PENDING groups of products have begun since the former.
  template <int PENDING>
  __device__ __forceinline__ void addValues(
      float (&s)[TILE / 8][4], uint32_t (&weights)[TILE / 16][4]) {
    mask(s);
    float factor[2];
    weigh(s, factor);
    pin(s);
    // Over at once, for the stage is filled. But it is a loop, across which the assembler does not
    // move the wait that follows, as it else does: to before the softmax.
    waitForPhase(Ring<D>::filled(slotOf(current)), parityOf(current));
    waitForProducts<PENDING>(o);
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
    if (oldest != current) {
      release(slotOf(oldest));
    }
#pragma unroll
    for (int part = 0; part < TILE / 16; part++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const float* pair = s[2 * part + i / 2] + 2 * (i % 2);
        weights[part][i] = packPair(pair[0], pair[1]);
      }
    }
    const uint32_t values = tileDescriptor(Ring<D>::valueTile(slotOf(current)));
    beginProducts();
#pragma unroll
    for (int part = 0; part < TILE / 16; part++) {
      multiplyGroup<true>(o, weights[part], values + rowStep(part), true);
    }
    commitProducts();
    oldest = current;
  }

  // Works on the current stage and, if there is one in reach, begins the scores of the next.
  __device__ __forceinline__ bool step(float (&s)[TILE / 8][4], float (&following)[TILE / 8][4],
      uint32_t (&weights)[TILE / 16][4]) {
    if (find(oldest + STAGES)) {
      beginScores(following);
      addValues<1>(s, weights);
      waitForProducts<1>(following);
      current = ahead++;
      return true;
    }
    addValues<0>(s, weights);
    waitForProducts<0>(o);
    release(slotOf(oldest));
    return false;
  }

  __device__ __forceinline__ void compute() {
    uint32_t weights[TILE / 16][4];
    float even[TILE / 8][4];
    float odd[TILE / 8][4];
    while (find(UINT32_MAX)) {
      beginScores(even);
      waitForProducts<0>(even);
      current = oldest = ahead++;
      while (step(even, odd, weights) && step(odd, even, weights)) {
      }
    }
  }

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
