// Tensor-core building blocks of the kernels for sm_80 that score keys: 64-key tiles of K or V in
// shared memory, asynchronous copies into them, and the m16n8k16 bf16 product.
//
// Of a 16x8 product, lane l of the warp holds rows l / 4 and l / 4 + 8, and the two columns from
// 2 * (l % 4) on (PTX ISA, "Matrix fragments for mma.m16n8k16").
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

namespace sparsefill {

using bf16 = __nv_bfloat16;

constexpr int TILE = 64;
constexpr int THREADS = 128;
constexpr float NEGATIVE_INFINITY = -__builtin_huge_valf();

// The thread's number, read anew at each call: what follows from it is then computed where it is
// used, and takes no registers across the loop over the tiles, which has none to spare.
__device__ __forceinline__ int threadNow() {
  int thread;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(thread));
  return thread;
}

// Shared memory of one 64-row tile of D columns, in pieces of 16 bytes. The pieces of one column in
// eight rows that follow each other lie in eight different bank groups: ldmatrix then meets no bank
// conflict. Here rows are 16 bytes longer than their data, so that addresses are one register and
// constants.
template <int D>
struct TileLayout {
  static_assert(D % 16 == 0 && D <= 128, "head_dim is a multiple of 16 up to 128");
  static constexpr int ROW_BYTES = 2 * D + 16;
  static constexpr int BYTES = TILE * ROW_BYTES;
  static constexpr int CHUNKS = D / 8;  // pieces of a row

  // The place in its row of piece 0 or 1.
  static __device__ __forceinline__ unsigned place(unsigned, unsigned piece) { return piece; }

  // The place of piece `piece + n`, n even, where that of `piece`, 0 or 1, is `place`.
  static __device__ __forceinline__ unsigned move(unsigned place, int n) { return place + n; }

  static __device__ __forceinline__ unsigned offset(unsigned row, unsigned piece) {
    return row * ROW_BYTES + piece * 16;
  }
};

// The same without longer rows: pieces change places within eight, in another way in each of eight
// rows, which takes no memory but registers.
template <int D>
struct SwizzledLayout {
  static_assert(D % 64 == 0 && D <= 128, "rows begin in the same bank group");
  static constexpr int ROW_BYTES = 2 * D;
  static constexpr int BYTES = TILE * ROW_BYTES;
  static constexpr int CHUNKS = D / 8;

  static __device__ __forceinline__ unsigned place(unsigned row, unsigned piece) {
    return piece ^ row % 8;
  }

  static __device__ __forceinline__ unsigned move(unsigned place, int n) {
    return (place ^ (n % 8)) + n / 8 * 8;
  }

  static __device__ __forceinline__ unsigned offset(unsigned row, unsigned piece) {
    return row * ROW_BYTES + (piece ^ row % 8) * 16;
  }
};

__device__ __forceinline__ uint32_t sharedAddress(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// 16 bytes from global to shared memory; zeros when `present` is false (nothing is read then).
__device__ __forceinline__ void copyAsync(uint32_t target, const void* source, bool present) {
  const int bytes = present ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(target), "l"(source),
               "r"(bytes)
               : "memory");
}

__device__ __forceinline__ void commitCopies() {
  asm volatile("cp.async.commit_group;\n" ::: "memory");
}

__device__ __forceinline__ void waitForCopies() {
  asm volatile("cp.async.wait_group 0;\n" ::: "memory");
}

__device__ __forceinline__ void loadMatrices(uint32_t (&r)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}

__device__ __forceinline__ void loadMatricesTransposed(uint32_t (&r)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}

// c += a b for one 16x16 times 16x8 product.
__device__ __forceinline__ void multiply(
    float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// 2^x; 2^-inf is 0 and NaN stays NaN.
__device__ __forceinline__ float exp2Fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;\n" : "=f"(y) : "f"(x));
  return y;
}

__device__ __forceinline__ uint32_t packPair(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
}

// The four lanes that share a row of a product.
__device__ __forceinline__ float quadMax(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}

__device__ __forceinline__ float quadSum(float x) {
  x += __shfl_xor_sync(0xffffffffu, x, 1);
  return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

// The queries of a warp as left operands: D / 16 products deep. They are read once for a whole
// query tile, so they come from global memory straight into registers.
template <int D>
struct QueryFragments {
  uint32_t a[D / 16][4];

  // Rows outside [0, tokens) become zeros. `row` is the first of the warp's 16.
  __device__ __forceinline__ void load(const bf16* head, int64_t stride, int row, int tokens) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int t = row + lane / 4 + 8 * half;
      const bool present = t >= 0 && t < tokens;
      const bf16* source = head + (present ? t : 0) * stride + 2 * (lane % 4);
#pragma unroll
      for (int step = 0; step < D / 16; step++) {
        a[step][half] = present ? *reinterpret_cast<const uint32_t*>(source + 16 * step) : 0u;
        a[step][2 + half] =
            present ? *reinterpret_cast<const uint32_t*>(source + 16 * step + 8) : 0u;
      }
    }
  }
};

// s[n] = q k^T for keys 8 n .. 8 n + 7 of a tile.
template <int D>
__device__ __forceinline__ void scoreTile(
    float (&s)[TILE / 8][4], const QueryFragments<D>& q, uint32_t keys) {
  const int lane = threadNow() % 32;
  // Matrices in the order (keys 0-7, dims 0-7), (keys 0-7, dims 8-15), then keys 8-15 likewise.
  const uint32_t corner =
      keys + ((lane / 16) * 8 + lane % 8) * TileLayout<D>::ROW_BYTES + ((lane / 8) % 2) * 16;
#pragma unroll
  for (int n = 0; n < TILE / 8; n++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      s[n][i] = 0.f;
    }
  }
#pragma unroll
  for (int step = 0; step < D / 16; step++) {
#pragma unroll
    for (int n = 0; n < TILE / 8; n += 2) {
      uint32_t b[4];
      loadMatrices(b, corner + n * 8 * TileLayout<D>::ROW_BYTES + step * 32);
      multiply(s[n], q.a[step], b[0], b[1]);
      multiply(s[n + 1], q.a[step], b[2], b[3]);
    }
  }
}

}  // namespace sparsefill
