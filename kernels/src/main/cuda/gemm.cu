// out[m, n] = a[m, k] . w[n, k]^T (+ bias[n]) (+ out): the linear operator on tensor cores.
//
// Row-major bf16 operands of any m, n and k, fp32 sums, one rounding at the end. Rows start on 16 bytes; what lies
// between the end of a row and its stride is undefined, never enters a sum, and is overwritten in `out`. The parts are
// mma.sync, ldmatrix and cp.async: sm_80 and everything later through the driver's JIT.
//
// One block computes a tile of the output. Three slots of shared memory hold slices of 64 numbers of k: while one slice
// is multiplied, the next two arrive. Every warp owns up to 64 x 64 outputs and keeps two sets of operand registers, so
// that the ldmatrix of step s + 1 runs beside the mma of step s. What lies outside of k is filled with zeros; rows
// outside of m and n are not written. Where the tiles of the output are too few for the device, k is cut into parts.
#include <cuda_bf16.h>

#include <cstddef>
#include <cstdint>

struct GemmParams {
  const __nv_bfloat16* a;     // [m, k]
  const __nv_bfloat16* w;     // [n, k]
  const __nv_bfloat16* bias;  // [n], or null
  void* out;                  // [m, n], bf16 or fp32
  int64_t lda;                // row strides in elements: multiples of 8, of 4 in fp32
  int64_t ldw;
  int64_t ldo;
  int m;
  int n;
  int k;
  int accumulate;  // whether the former content of out is added
  int splits;      // parts that k is cut into: blocks of the grid in y
  float* partial;  // the sums of each part, [splits][tiles][rows x cols of a tile]; unused when there is one part
  int* arrived;    // [tiles], zero before and after: how many parts of a tile are there
};

// Outside of the namespace: a name of its own would carry a hash of the file's path into the PTX.
extern __shared__ __align__(1024) unsigned char gemmShared[];

namespace {

constexpr int kSlice = 64;                 // numbers of k in one slot
constexpr int kRowBytes = kSlice * 2;      // eight chunks of 16 bytes
constexpr int kSteps = kSlice / 16;        // mma steps in one slot

__device__ __forceinline__ uint32_t sharedAddress(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

// The first `bytes` of 16 bytes from global to shared memory, zeros after them.
__device__ __forceinline__ void copyAsync(uint32_t to, const void* from, int bytes) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;\n" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}

__device__ __forceinline__ void commitCopies() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }

template <int Pending>
__device__ __forceinline__ void awaitCopies() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(Pending) : "memory");
}

__device__ __forceinline__ void loadMatrices(uint32_t (&r)[4], uint32_t from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(from)
               : "memory");
}

__device__ __forceinline__ void multiply(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};\n"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Bytes of the chunk from column `start` on that lie before column `end` of k.
__device__ __forceinline__ int chunkBytes(int start, int end) { return max(0, min(8, end - start)) * 2; }

// The share of one thread in the copies of an operand: `Rows` rows of one slice by `Threads` threads. A chunk lies at
// chunk ^ (row % 8) of its row, which keeps the stores and the ldmatrix of eight rows in different banks. Where rows
// start is kept in 32 bits, relative to the first row of the tile, to spare registers. Rows past the end are zeros with
// Zeros, else the last row again: that spares an instruction per copy, but where most rows are past the end, one row
// that all blocks read many times takes longer than w.
template <int Rows, int Threads, bool Zeros>
struct Loader {
  static constexpr uint32_t kAbsent = 0xffffffffu;
  static constexpr int kRowsAtOnce = Threads / 8;
  static constexpr int kCopies = Rows / kRowsAtOnce;
  static_assert(Rows % kRowsAtOnce == 0 && kRowsAtOnce % 8 == 0, "rows of a thread keep their place in the swizzle");

  const unsigned char* from;
  uint32_t rowStart[kCopies];
  uint32_t to;

  __device__ __forceinline__ Loader(const __nv_bfloat16* matrix, int64_t stride, int firstRow, int rows) {
    int row = threadIdx.x / 8;
    int chunk = threadIdx.x % 8;
    to = row * kRowBytes + ((chunk ^ (row % 8)) * 16);
    from = reinterpret_cast<const unsigned char*>(matrix + firstRow * stride + chunk * 8);
#pragma unroll
    for (int i = 0; i < kCopies; i++) {
      int r = row + i * kRowsAtOnce;
      bool absent = Zeros && r > rows - 1 - firstRow;
      r = min(r, rows - 1 - firstRow);
      rowStart[i] = absent ? kAbsent : static_cast<uint32_t>(r) * static_cast<uint32_t>(stride * 2);
    }
  }

  // Copies whose turn it is when they are dealt out to `Turns` turns; `bytes` is 0 in slices past k.
  template <int Turns>
  __device__ __forceinline__ void copy(int turn, uint32_t slot, int bytes) const {
#pragma unroll
    for (int i = 0; i < kCopies; i++) {
      if (i % Turns == turn) {
        bool absent = Zeros && rowStart[i] == kAbsent;
        copyAsync(slot + to + i * (kRowsAtOnce * kRowBytes), from + (absent ? 0 : rowStart[i]), absent ? 0 : bytes);
      }
    }
  }

  __device__ __forceinline__ void advance() { from += kRowBytes; }
};

// WarpRows x WarpCols warps, each with RowTiles x ColTiles mma tiles of 16 x 8.
template <int WarpRows, int WarpCols, int RowTiles, int ColTiles, int Slots, int Strip>
struct Tile {
  static constexpr int kWarpCols = WarpCols;
  static constexpr int kRowTiles = RowTiles;
  static constexpr int kColTiles = ColTiles;
  static constexpr int kRows = WarpRows * RowTiles * 16;
  static constexpr int kCols = WarpCols * ColTiles * 8;
  static constexpr int kThreads = WarpRows * WarpCols * 32;
  static constexpr int kABytes = kRows * kRowBytes;
  static constexpr int kSlotBytes = (kRows + kCols) * kRowBytes;
  static constexpr int kSlots = Slots;
  static constexpr int kStrip = Strip;
  static constexpr int kSharedBytes = kSlots * kSlotBytes;
  static constexpr int kOutStride = kCols + 8;  // floats: eight more keep the float2 stores of eight rows apart
  static_assert(kRows * kOutStride * 4 <= kSharedBytes, "the sums pass through the slots");
  static_assert(kRows * kCols * 4 + 16 <= kSharedBytes, "the sums of a part pass through the slots");
  static_assert(ColTiles % 2 == 0, "one ldmatrix brings two tiles of w");
};

// Blocks of one wave cover a nearly square part of the output, so that both operands are read from the L2: strips of
// kStrip row tiles, column by column.
template <class T>
__device__ __forceinline__ void place(int m, int n, int& row0, int& col0) {
  int rowTiles = (m + T::kRows - 1) / T::kRows;
  int colTiles = (n + T::kCols - 1) / T::kCols;
  int block = static_cast<int>(blockIdx.x);
  int strip = block / (T::kStrip * colTiles);
  int height = min(T::kStrip, rowTiles - strip * T::kStrip);
  int inStrip = block - strip * T::kStrip * colTiles;
  row0 = (strip * T::kStrip + inStrip % height) * T::kRows;
  col0 = (inStrip / height) * T::kCols;
}

// Adds eight numbers from 16 bytes of bf16.
__device__ __forceinline__ void add(float (&x)[8], const __nv_bfloat16* from) {
  uint4 wide = *reinterpret_cast<const uint4*>(from);
  const uint32_t pairs[4] = {wide.x, wide.y, wide.z, wide.w};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    x[2 * i] += __uint_as_float(pairs[i] << 16);
    x[2 * i + 1] += __uint_as_float(pairs[i] & 0xffff0000u);
  }
}

__device__ __forceinline__ void put(const float (&x)[8], int, bool accumulated, __nv_bfloat16* out) {
  float y[8] = {x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]};
  if (accumulated) {
    add(y, out);
  }
  uint32_t pairs[4];
#pragma unroll
  for (int i = 0; i < 4; i++) {
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;\n" : "=r"(pairs[i]) : "f"(y[2 * i + 1]), "f"(y[2 * i]));
  }
  *reinterpret_cast<uint4*>(out) = make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
}

// The stride of fp32 rows is a multiple of four only: the second half is written where the row has any of it.
__device__ __forceinline__ void put(const float (&x)[8], int count, bool accumulated, float* out) {
  float4* wide = reinterpret_cast<float4*>(out);
#pragma unroll
  for (int i = 0; i < 2; i++) {
    if (4 * i < count) {
      float4 y = make_float4(x[4 * i], x[4 * i + 1], x[4 * i + 2], x[4 * i + 3]);
      if (accumulated) {
        float4 was = wide[i];
        y = make_float4(y.x + was.x, y.y + was.y, y.z + was.z, y.w + was.w);
      }
      wide[i] = y;
    }
  }
}

// The sums of a block, from shared memory to whole rows of `out`: eight columns of a row per thread and turn.
template <class T, class Out>
__device__ __forceinline__ void writeTile(const GemmParams& p, const float* sums, int row0, int col0) {
  constexpr int kGroups = T::kCols / 8;
  for (int i = threadIdx.x; i < T::kRows * kGroups; i += T::kThreads) {
    int row = row0 + i / kGroups;
    int col = col0 + (i % kGroups) * 8;
    if (row < p.m && col < p.n) {
      const float4* from = reinterpret_cast<const float4*>(sums + (i / kGroups) * T::kOutStride + (i % kGroups) * 8);
      float4 low = from[0];
      float4 high = from[1];
      float x[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
      if (p.bias != nullptr) {
        add(x, p.bias + col);
      }
      put(x, p.n - col, p.accumulate != 0, static_cast<Out*>(p.out) + row * p.ldo + col);
    }
  }
}

// Lets the block that comes last for a tile go on with the sums of all parts of k, added in the order of the parts:
// the result does not depend on who is last. Every thread meets the sums of the same fragments, so that they pass
// through memory as they lie in registers.
template <class T>
__device__ __forceinline__ bool lastOfTile(const GemmParams& p, float (&sums)[T::kRowTiles][T::kColTiles][4]) {
  constexpr int64_t kFloats = T::kRows * T::kCols;
  float* tile = p.partial + blockIdx.x * kFloats + threadIdx.x * 4;
  int64_t part = gridDim.x * kFloats;
  float* mine = tile + blockIdx.y * part;
#pragma unroll
  for (int i = 0; i < T::kRowTiles; i++) {
#pragma unroll
    for (int j = 0; j < T::kColTiles; j++) {
      __stcg(reinterpret_cast<float4*>(mine + (i * T::kColTiles + j) * T::kThreads * 4),
             make_float4(sums[i][j][0], sums[i][j][1], sums[i][j][2], sums[i][j][3]));
    }
  }
  __threadfence();
  __syncthreads();
  // Behind what the parts pass through below; the slots are free by now.
  int* last = reinterpret_cast<int*>(gemmShared + T::kSharedBytes - 16);
  if (threadIdx.x == 0) {
    *last = atomicAdd(p.arrived + blockIdx.x, 1) == p.splits - 1;
    if (*last) {
      p.arrived[blockIdx.x] = 0;  // for the next product
    }
  }
  __syncthreads();
  if (*last == 0) {
    return false;
  }
  __threadfence();
  // Every thread brings and adds its own chunks: a whole part is on its way at any time, more than registers would hold.
  uint32_t own = sharedAddress(gemmShared) + threadIdx.x * 16;
  auto bring = [&](int i) {
#pragma unroll
    for (int j = 0; j < T::kColTiles; j++) {
      int chunk = (i * T::kColTiles + j) * T::kThreads;
      copyAsync(own + chunk * 16, tile + chunk * 4, 16);
    }
  };
#pragma unroll
  for (int i = 0; i < T::kRowTiles; i++) {
    bring(i);
    commitCopies();
#pragma unroll
    for (int j = 0; j < T::kColTiles; j++) {
#pragma unroll
      for (int c = 0; c < 4; c++) {
        sums[i][j][c] = 0;
      }
    }
  }
  for (int s = 1; s <= p.splits; s++) {
    tile += part;
#pragma unroll
    for (int i = 0; i < T::kRowTiles; i++) {
      awaitCopies<T::kRowTiles - 1>();
#pragma unroll
      for (int j = 0; j < T::kColTiles; j++) {
        float4 add = *reinterpret_cast<const float4*>(gemmShared + threadIdx.x * 16 +
                                                      (i * T::kColTiles + j) * T::kThreads * 16);
        sums[i][j][0] += add.x;
        sums[i][j][1] += add.y;
        sums[i][j][2] += add.z;
        sums[i][j][3] += add.w;
      }
      if (s < p.splits) {
        bring(i);
      }
      commitCopies();
    }
  }
  __syncthreads();  // the sums of all threads come to where these chunks lie
  return true;
}

template <class T, class Out>
__device__ __forceinline__ void gemm(const GemmParams& p) {
  constexpr int kRowTiles = T::kRowTiles;
  constexpr int kColTiles = T::kColTiles;
  using LoaderA = Loader<T::kRows, T::kThreads, T::kRows == 64>;
  using LoaderW = Loader<T::kCols, T::kThreads, false>;

  int row0;
  int col0;
  place<T>(p.m, p.n, row0, col0);
  int slices = (p.k + kSlice - 1) / kSlice;
  int share = (slices + p.splits - 1) / p.splits;
  int first = static_cast<int>(blockIdx.y) * share * kSlice;  // of k, where this part starts
  int end = min(p.k, first + share * kSlice);
  slices = (end - first + kSlice - 1) / kSlice;
  LoaderA loadA(p.a + first, p.lda, row0, p.m);
  LoaderW loadW(p.w + first, p.ldw, col0, p.n);
  int column = first + (threadIdx.x % 8) * 8;  // of k, where the next chunks of this thread start
  uint32_t slots = sharedAddress(gemmShared);

#pragma unroll
  for (int s = 0; s < T::kSlots - 1; s++) {
    int bytes = chunkBytes(column, end);
    loadA.template copy<1>(0, slots + s * T::kSlotBytes, bytes);
    loadW.template copy<1>(0, slots + s * T::kSlotBytes + T::kABytes, bytes);
    commitCopies();
    loadA.advance();
    loadW.advance();
    column += kSlice;
  }

  int lane = threadIdx.x % 32;
  int warp = threadIdx.x / 32;
  int warpRow = (warp / T::kWarpCols) * (kRowTiles * 16);
  int warpCol = (warp % T::kWarpCols) * (kColTiles * 8);
  // Where this lane's row of the first matrices lies in a slot. Later steps differ in two bits of the swizzle only.
  uint32_t fromA = (warpRow + lane % 16) * kRowBytes + (((lane / 16) ^ (lane % 8)) * 16);
  uint32_t fromW =
      T::kABytes + (warpCol + lane % 8 + (lane / 16) * 8) * kRowBytes + ((((lane / 8) % 2) ^ (lane % 8)) * 16);

  float sums[kRowTiles][kColTiles][4] = {};
  uint32_t a[2][kRowTiles][4];
  uint32_t w[2][kColTiles / 2][4];

  auto load = [&](int set, uint32_t slot, int step) {
#pragma unroll
    for (int i = 0; i < kRowTiles; i++) {
      loadMatrices(a[set][i], slot + ((fromA ^ (step * 32)) + i * (16 * kRowBytes)));
    }
#pragma unroll
    for (int j = 0; j < kColTiles / 2; j++) {
      loadMatrices(w[set][j], slot + ((fromW ^ (step * 32)) + j * (16 * kRowBytes)));
    }
  };

  awaitCopies<T::kSlots - 2>();
  __syncthreads();
  load(0, slots, 0);

  uint32_t readSlot = slots;
  uint32_t writeSlot = slots + (T::kSlots - 1) * T::kSlotBytes;
  uint32_t endSlot = slots + T::kSlots * T::kSlotBytes;
  constexpr int kTurns = kSteps - 1;  // the copies of a slice are spread over the steps before its commit
  for (int s = 0; s < slices; s++) {
    int bytes = chunkBytes(column, end);
#pragma unroll
    for (int step = 0; step < kSteps; step++) {
      if (step == kSteps - 1) {
        // The registers of this last step are loaded: after the barrier nobody reads this slot any more.
        awaitCopies<T::kSlots - 2>();
        __syncthreads();
        readSlot += T::kSlotBytes;
        readSlot = readSlot == endSlot ? slots : readSlot;
      }
      load((step + 1) % 2, readSlot, (step + 1) % kSteps);
      if (step < kTurns) {
        loadA.template copy<kTurns>(step, writeSlot, bytes);
        loadW.template copy<kTurns>(step, writeSlot + T::kABytes, bytes);
      }
      if (step == kTurns - 1) {
        commitCopies();
        loadA.advance();
        loadW.advance();
        column += kSlice;
        writeSlot += T::kSlotBytes;
        writeSlot = writeSlot == endSlot ? slots : writeSlot;
      }
#pragma unroll
      for (int i = 0; i < kRowTiles; i++) {
#pragma unroll
        for (int jj = 0; jj < kColTiles; jj++) {
          int j = i % 2 == 0 ? jj : kColTiles - 1 - jj;  // there and back: neighbours share an operand
          multiply(sums[i][j], a[step % 2][i], w[step % 2][j / 2][(j % 2) * 2], w[step % 2][j / 2][(j % 2) * 2 + 1]);
        }
      }
    }
  }

  awaitCopies<0>();
  __syncthreads();
  if (p.splits > 1 && !lastOfTile<T>(p, sums)) {
    return;
  }
  float* staged = reinterpret_cast<float*>(gemmShared);
#pragma unroll
  for (int i = 0; i < kRowTiles; i++) {
#pragma unroll
    for (int j = 0; j < kColTiles; j++) {
      int row = warpRow + i * 16 + lane / 4;
      int col = warpCol + j * 8 + (lane % 4) * 2;
      *reinterpret_cast<float2*>(staged + row * T::kOutStride + col) = make_float2(sums[i][j][0], sums[i][j][1]);
      *reinterpret_cast<float2*>(staged + (row + 8) * T::kOutStride + col) = make_float2(sums[i][j][2], sums[i][j][3]);
    }
  }
  __syncthreads();
  writeTile<T, Out>(p, staged, row0, col0);
}

}  // namespace

// 128 x 256 by eight warps: one block fills a multiprocessor.
using WideTile = Tile<2, 4, 4, 8, 3, 16>;
// 128 x 128 by four warps: for outputs that the wide tiles cannot spread evenly.
using SquareTile = Tile<2, 2, 4, 8, 3, 16>;
// 64 x 128 by four warps: for few rows, where the time goes into reading w.
using LowTile = Tile<2, 2, 2, 8, 3, 16>;

extern "C" {
// Read by the Java launcher: size and offsets of the parameters; threads, shared bytes, rows and columns of a tile.
__constant__ int gemm_layout[] = {
    (int)sizeof(GemmParams),          (int)offsetof(GemmParams, a),       (int)offsetof(GemmParams, w),
    (int)offsetof(GemmParams, bias),  (int)offsetof(GemmParams, out),     (int)offsetof(GemmParams, lda),
    (int)offsetof(GemmParams, ldw),   (int)offsetof(GemmParams, ldo),     (int)offsetof(GemmParams, m),
    (int)offsetof(GemmParams, n),     (int)offsetof(GemmParams, k),       (int)offsetof(GemmParams, accumulate),
    (int)offsetof(GemmParams, splits), (int)offsetof(GemmParams, partial), (int)offsetof(GemmParams, arrived)};
#define LAUNCH(Tile) {Tile::kThreads, Tile::kSharedBytes, Tile::kRows, Tile::kCols}
__constant__ int gemm_wide_bf16_launch[] = LAUNCH(WideTile);
__constant__ int gemm_wide_f32_launch[] = LAUNCH(WideTile);
__constant__ int gemm_square_bf16_launch[] = LAUNCH(SquareTile);
__constant__ int gemm_square_f32_launch[] = LAUNCH(SquareTile);
__constant__ int gemm_low_bf16_launch[] = LAUNCH(LowTile);
__constant__ int gemm_low_f32_launch[] = LAUNCH(LowTile);

__global__ void __launch_bounds__(WideTile::kThreads, 1) gemm_wide_bf16(const __grid_constant__ GemmParams p) {
  gemm<WideTile, __nv_bfloat16>(p);
}

__global__ void __launch_bounds__(WideTile::kThreads, 1) gemm_wide_f32(const __grid_constant__ GemmParams p) {
  gemm<WideTile, float>(p);
}

__global__ void __launch_bounds__(SquareTile::kThreads, 2) gemm_square_bf16(const __grid_constant__ GemmParams p) {
  gemm<SquareTile, __nv_bfloat16>(p);
}

__global__ void __launch_bounds__(SquareTile::kThreads, 2) gemm_square_f32(const __grid_constant__ GemmParams p) {
  gemm<SquareTile, float>(p);
}

__global__ void __launch_bounds__(LowTile::kThreads, 3) gemm_low_bf16(const __grid_constant__ GemmParams p) {
  gemm<LowTile, __nv_bfloat16>(p);
}

__global__ void __launch_bounds__(LowTile::kThreads, 3) gemm_low_f32(const __grid_constant__ GemmParams p) {
  gemm<LowTile, float>(p);
}
}
