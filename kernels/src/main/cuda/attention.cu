// Attention over a tile index: out = softmax(scale * q k^T restricted to the index and
// causality) v. For sm_80, and for every later GPU that has no kernels of its own.
//
// A block of 4 warps computes, as CpuAttention does, the key tiles of a query tile's runs, which
// may begin at any key, then its single columns gathered 64 at a time, with the online softmax of
// FlashAttention-2 (arXiv 2307.08691) in base 2. Products are bf16 with fp32 sums; weights are
// rounded to bf16 for the second product only, their sum is not.
//
// What a warp reads from shared memory for each product bounds the speed, so each warp has 32 rows,
// as many as its registers hold. There are two ways to give a block 128 rows' worth of work:
// - a pair: where two query tiles of 64 rows that follow each other have nearly the same key tiles
//   (dense attention, sink and window), the block of the upper one computes both, with 16 rows of
//   either in each warp, and the block of the lower one ends at once;
// - otherwise two teams of two warps take turns at the steps of one query tile, and join their
//   results at the end.
// While the scores of a step are computed its values arrive; while its output is computed, the keys
// of the next step do. Barriers are the whole block's: with one for each team, racecheck of
// compute-sanitizer reports hazards.
//
// On an H200, 32 heads of 128 dimensions, 8 KV heads: dense 370 and 377 TFLOP/s at 32K and 128K
// tokens, FlashAttention-2 of PyTorch 2.11 in the same run 346 and 329; vertical-slash with 1000
// columns and 6096 diagonals at 128K, by teams, 331 TFLOP/s, 1.83 ms a head. Tensor cores are busy
// for about 60 % of the cycles (by teams 52 %); most of the rest goes into fixed latencies of the
// softmax, which two warps of a scheduler, all that the registers allow, cannot hide.
#include <type_traits>

#include "attention_params.cuh"
#include "attention_steps.cuh"
#include "sight.cuh"
#include "tile_copies.cuh"
#include "warp_tile.cuh"

using namespace sparsefill;

// Outside the unnamed namespace, whose mangled names depend on where the compiler finds the file.
extern __shared__ __align__(128) unsigned char memory[];

namespace {

constexpr int LONG_DOCUMENT = 32768;  // tokens
constexpr int TEAM = 64;              // threads
constexpr int TEAMS = THREADS / TEAM;
constexpr int SHARING = 2;            // blocks of a multiprocessor: 255 registers for each thread

__device__ __forceinline__ unsigned teamNow() { return (unsigned)threadNow() / TEAM; }

// The steps that a warp walks with the other warps of its block: the walk, and what it came to.
struct Walk {
  Steps steps;
  int first;  // step of the first team
  int own;    // step of the warp's team

  // Goes on by one step for each team. All warps come to the same.
  __device__ __forceinline__ void advance(
      const AttentionParams& p, const Steps& from, const int4* row) {
    Steps now = from;
    const int one = now.take(row, p.runs);
    const int other = now.take(row, p.runs);
    __syncwarp();
    if ((unsigned)threadNow() % 32 == 0) {
      steps = now;
      first = one;
      own = teamNow() == 0 ? one : other;
    }
    __syncwarp();
  }
};

// What a block keeps in shared memory, because registers are short: it is read anew at each use.
struct Place {
  int head;
  int row;          // first query
  unsigned column;  // of the head's keys and values
  int lists;        // position of the query tile's lists in `rows`
  Walk walks[THREADS / 32];
};

// A pair: the queries of both tiles, a K tile, a V tile. Teams: the queries, then for each team a
// K tile and a V tile; at the end the second team's results take the place of all K and V tiles.
// Then in either case the segments and the place of the block.
template <int D>
struct AttentionMemory {
  // Two blocks of the longest heads share the 164 KiB of an A100's multiprocessor: no place to pad.
  using Layout = std::conditional_t<D == 128, SwizzledLayout<D>, TileLayout<D>>;
  static constexpr int TILES = Layout::BYTES;
  static constexpr int SEGMENTS = (1 + 2 * TEAMS) * TILES;
  static constexpr int PLACE = SEGMENTS + 256;
  static constexpr int BYTES = PLACE + (int)sizeof(Place);
  static constexpr int RESULTS = (BANDS * D / 2 + 2 * LANE_ROWS) * TEAM * (int)sizeof(float);
  static_assert(4 * TileLayout<D>::BYTES <= SEGMENTS, "a pair fits");
  static_assert(RESULTS <= 2 * TEAMS * TILES, "results fit over the tiles");
  static_assert(Segments::MOST * (int)sizeof(Segment) <= PLACE - SEGMENTS, "segments fit");
  static_assert(SHARING * (BYTES + 1024) <= 164 * 1024, "blocks fit a multiprocessor");
};

// Which part of the work a block has. Blocks start in the order of their linear number, longest
// tiles first. In short documents all heads of one query tile go together, which leaves the least
// work for the end; in long ones as many as share a KV head, one such group after the other, so
// that its keys and values stay in L2 while all tiles read them.
struct Item {
  int listed;  // place in the list of heads
  int tile;    // of this launch's query tiles

  __device__ __forceinline__ explicit Item(const AttentionParams& p) {
    const unsigned item = blockIdx.y * gridDim.x + blockIdx.x;
    const int group = p.tokens <= LONG_DOCUMENT ? p.headCount : p.heads / p.kvHeads;
    const int first = item / (group * p.queryTiles) * group;
    const int together = min(group, p.headCount - first);
    const int inside = item - first * p.queryTiles;
    listed = first + inside % together;
    tile = p.queryTiles - 1 - inside / together;
  }
};

// The columns of a step that gathers. A warp copies half of them, and a lane holds the key of one.
struct Gathered {
  const int* columns;
  int count;

  __device__ __forceinline__ Gathered(const AttentionParams& p, const Walk& walk, int step)
      : columns(p.columns + ~step), count(min(TILE, walk.steps.end - ~step)) {}

  static __device__ __forceinline__ int place() { return (unsigned)threadNow() % TEAM; }

  __device__ __forceinline__ int key() const { return place() < count ? columns[place()] : 0; }

  // Begins the copy of the warp's rows of K or V; zeros behind the last column.
  template <class Layout>
  __device__ __forceinline__ void copy(
      uint32_t tile, const bf16* matrix, int64_t stride, unsigned column, int key) const {
    using Part = Share<Layout, 32, 32>;
    const Part part;
    const int first = place() & 32;
    const char* source = reinterpret_cast<const char*>(matrix + (column + part.piece * 8));
    const unsigned bytes = static_cast<unsigned>(stride * sizeof(bf16));
    tile += first * Layout::ROW_BYTES;
#pragma unroll
    for (int i = 0; i < Part::COPIES; i++) {
      const int row = part.row + i * Part::ROWS;
      const unsigned of = __shfl_sync(0xffffffffu, key, row);
      if (part.has(i)) {
        copyAsync(tile + part.target(i), source + (uint64_t)of * bytes, first + row < count);
      }
    }
  }
};

// Begins the copy of one step's rows of K or V into `tile`; `gathered` is the lane's key of a step
// that gathers.
template <int D>
__device__ __forceinline__ void fetch(const AttentionParams& p, uint32_t tile, const bf16* matrix,
    int64_t stride, unsigned column, const Walk& walk, int step, int gathered) {
  using Layout = typename AttentionMemory<D>::Layout;
  if (Steps::gathers(step)) {
    Gathered(p, walk, step).copy<Layout>(tile, matrix, stride, column, gathered);
  } else {
    copyRows<Layout, TEAM>(tile, matrix, stride, column, step, p.tokens);
  }
}

// Writes the warp's rows, which begin at query `warpRow`; band b is APART * b behind it.
template <int D, int APART>
__device__ __forceinline__ void write(
    const Output<D>& output, const AttentionParams& p, int head, int warpRow) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int r = 0; r < LANE_ROWS; r++) {
    const int query = warpRow + APART * (r / 2) + 8 * (r % 2) + lane / 4;
    const float total = quadSum(output.sum[r]);
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
      const float* pair = &output.o[r / 2][n][2 * (r % 2)];
      *reinterpret_cast<uint32_t*>(target + n * 8) = packPair(pair[0] * weight, pair[1] * weight);
    }
  }
}

// Two query tiles. Warp w has rows 16 w .. 16 w + 15 of both.
template <int D>
__device__ __forceinline__ void attendPair(
    const AttentionParams& p, const volatile Place* place, const volatile Segment* segment) {
  using Layout = TileLayout<D>;
  const uint32_t queries = sharedAddress(memory);
  const uint32_t keyTile = queries + 2 * Layout::BYTES;
  const uint32_t valueTile = keyTile + Layout::BYTES;

  const int row = place->row;
  const unsigned queryColumn = place->head * D;
  copyRows<Layout, THREADS>(queries, p.q, p.ldq, queryColumn, row, p.tokens);
  copyRows<Layout, THREADS>(
      queries + Layout::BYTES, p.q, p.ldq, queryColumn, row + TILE, p.tokens);
  int key = segment->begin;
  copyRows<Layout, THREADS>(keyTile, p.k, p.ldk, place->column, key, p.tokens);
  commitCopies();

  Output<D> output;
  output.clear();
  while (key >= 0) {
    // Queries and keys are there, and all are through with the values of the step before.
    waitForCopies();
    __syncthreads();
    copyRows<Layout, THREADS>(valueTile, p.v, p.ldv, place->column, key, p.tokens);
    commitCopies();
    Scores s;
    const unsigned warpRow = 16 * ((unsigned)threadNow() / 32);
    score<Layout, TILE>(s, queries, warpRow, keyTile);
    maskTile<2 * TILE, TILE>(s, key, place->row, warpRow, segment->bands, p.window);
    output.raise(s, p.scaleLog2);
    key += TILE;
    if (key == segment->end) {
      segment++;
      key = segment->begin;
    }
    // Values are there, and all are through with the keys.
    waitForCopies();
    __syncthreads();
    if (key >= 0) {
      copyRows<Layout, THREADS>(keyTile, p.k, p.ldk, place->column, key, p.tokens);
    }
    commitCopies();
    output.template add<Layout>(s, p.scaleLog2, valueTile);
  }
  write<D, TILE>(output, p, place->head, place->row + 16 * ((unsigned)threadNow() / 32));
}

// One query tile. The teams take turns at its steps: warp w of a team has rows 32 w .. 32 w + 31.
template <int D>
__device__ __forceinline__ void attendAlone(const AttentionParams& p, Place* place) {
  using Memory = AttentionMemory<D>;
  using Layout = typename Memory::Layout;
  const uint32_t queries = sharedAddress(memory);
  const uint32_t keyTile = queries + Memory::TILES + 2 * teamNow() * Layout::BYTES;
  const uint32_t valueTile = keyTile + Layout::BYTES;

  copyRows<Layout, THREADS>(queries, p.q, p.ldq, place->head * D, place->row, p.tokens);
  // Both teams walk all steps, so that they agree on the number of rounds.
  Walk& walk = place->walks[threadIdx.x / 32];
  walk.advance(p, Steps(p.rows[place->lists]), p.rows + place->lists);
  int step = walk.own;
  int gathered = 0;
  if (Steps::gathers(step)) {
    gathered = Gathered(p, walk, step).key();
  }
  fetch<D>(p, keyTile, p.k, p.ldk, place->column, walk, step, gathered);
  commitCopies();

  Output<D> output;
  output.clear();
  while (walk.first != Steps::NONE) {
    // Queries and keys are there, and all are through with the values of the round before.
    waitForCopies();
    __syncthreads();
    fetch<D>(p, valueTile, p.v, p.ldv, place->column, walk, step, gathered);
    commitCopies();
    walk.advance(p, walk.steps, p.rows + place->lists);
    if (Steps::gathers(walk.own)) {
      gathered = Gathered(p, walk, walk.own).key();
    }
    Scores s;
    const unsigned warpRow = 32 * ((unsigned)threadNow() % TEAM / 32);
    score<Layout, 16>(s, queries, warpRow, keyTile);
    if (Steps::gathers(step)) {
      const Gathered columns(p, walk, step);
      maskColumns<TILE, 16>(
          s, columns.columns, columns.count, place->row, warpRow, p.window);
    } else {
      maskTile<TILE, 16>(s, step, place->row, warpRow, ALL_BANDS, p.window);
    }
    output.raise(s, p.scaleLog2);
    // Values are there, and all are through with the keys.
    waitForCopies();
    __syncthreads();
    step = walk.own;
    fetch<D>(p, keyTile, p.k, p.ldk, place->column, walk, step, gathered);
    commitCopies();
    output.template add<Layout>(s, p.scaleLog2, valueTile);
  }

  float* results = reinterpret_cast<float*>(memory + Memory::TILES);
  waitForCopies();
  __syncthreads();
  if (teamNow() == 1) {
    output.template store<TEAM>(results);
  }
  __syncthreads();
  if (teamNow() == 0) {
    output.template join<TEAM>(results);
    write<D, 16>(output, p, place->head, place->row + 32 * ((unsigned)threadNow() / 32));
  }
}

template <int D>
__device__ __forceinline__ void attend(const AttentionParams& p) {
  using Memory = AttentionMemory<D>;
  const Item item(p);
  const int lists = item.listed * p.queryTiles + item.tile;
  // Pairs are made from the last query tile on.
  const bool upper = (p.queryTiles - 1 - item.tile) % 2 == 0;
  Segment* segments = reinterpret_cast<Segment*>(memory + Memory::SEGMENTS);
  const bool pair = (!upper || item.tile > 0)
      && Segments::join(p.rows[lists - upper], p.rows[lists - upper + 1], p.runs, segments);
  if (pair && !upper) {
    return;
  }
  Place* place = reinterpret_cast<Place*>(memory + Memory::PLACE);
  if (threadIdx.x == 0) {
    const int head = p.headList[item.listed];
    place->head = head;
    place->row = (p.firstTile + item.tile - pair) * TILE;
    place->column = head / (p.heads / p.kvHeads) * D;
    place->lists = lists;
  }
  __syncthreads();
  if (pair) {
    attendPair<D>(p, place, segments);
  } else {
    attendAlone<D>(p, place);
  }
}

}  // namespace

#define ATTENTION_KERNEL(D)                                                                     \
  extern "C" {                                                                                  \
  __constant__ int attention_d##D##_launch[] = {THREADS, AttentionMemory<D>::BYTES, 1, 0};      \
  __global__ void __launch_bounds__(THREADS, SHARING)                                           \
      attention_d##D(const __grid_constant__ AttentionParams p) {                               \
    attend<D>(p);                                                                               \
  }                                                                                             \
  }

ATTENTION_KERNEL(32)
ATTENTION_KERNEL(64)
ATTENTION_KERNEL(80)
ATTENTION_KERNEL(96)
ATTENTION_KERNEL(128)
