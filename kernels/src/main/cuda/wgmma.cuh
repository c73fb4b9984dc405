// Warpgroup products (wgmma) of sm_90a, whose right operand lies in shared memory.
//
// A tile is 64 keys by D columns in halves of 64 columns; a half is 64 rows of 128 bytes, in which
// the 16-byte piece c of row r lies at place c ^ (r % 8) (PTX ISA, "Asynchronous warpgroup level
// matrix shared memory layout", 128-byte swizzling; a half begins at a multiple of 1024 bytes).
#pragma once

#include <cstdint>

#include "tile_mma.cuh"

namespace sparsefill {

constexpr int GROUP = 128;              // threads of a warpgroup
constexpr int HALF_BYTES = TILE * 128;  // of a tile

// Where 16 bytes of a tile lie.
__device__ __forceinline__ uint32_t swizzled(int row, int chunk) {
  return (chunk / 8) * HALF_BYTES + row * 128 + ((chunk ^ row) & 7) * 16;
}

// The low word of a tile's matrix descriptor: its address and the distance of its halves, in 16
// bytes. Keys as the right operand of q k^T have their depth in a row and need no such distance, for
// a product takes 16 columns of one half.
__device__ __forceinline__ uint32_t tileDescriptor(uint32_t tile) {
  return tile >> 4 | HALF_BYTES / 16 << 16;
}

// What a descriptor grows by from its first row and column to columns or rows 16 i .. 16 i + 15.
__device__ constexpr uint32_t columnStep(int i) {
  return (i / 4 * HALF_BYTES + i % 4 * 32) / 16;
}

__device__ constexpr uint32_t rowStep(int i) {
  return i * 16 * 128 / 16;
}

// Before the first product after registers of an operand or a sum were written.
__device__ __forceinline__ void beginProducts() {
  asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory");
}

__device__ __forceinline__ void commitProducts() {
  asm volatile("wgmma.commit_group.sync.aligned;\n" ::: "memory");
}

// Has the compiler compute values where this stands, neither before nor after.
template <int N>
__device__ __forceinline__ void pin(float (&c)[N][4]) {
#pragma unroll
  for (int n = 0; n < N; n++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      asm volatile("" : "+f"(c[n][i])::"memory");
    }
  }
}

// Waits until at most PENDING groups of products are under way. `c` are sums which that ends, and
// which may be used from then on.
template <int PENDING, int N>
__device__ __forceinline__ void waitForProducts(float (&c)[N][4]) {
  asm volatile("wgmma.wait_group.sync.aligned %0;\n" ::"n"(PENDING) : "memory");
  pin(c);
}

#define SUMS_0 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define SUMS_16 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define SUMS_32 "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"
#define SUMS_48 "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define SUM_4(c, n) "+f"(c[n][0]), "+f"(c[n][1]), "+f"(c[n][2]), "+f"(c[n][3])
#define SUM_16(c, n) SUM_4(c, n), SUM_4(c, n + 1), SUM_4(c, n + 2), SUM_4(c, n + 3)
// SUMS to TRANSPOSE are the places of the operands, then come the sums as outputs. The high word of
// the right operand's descriptor: 128-byte swizzling, and 1024 bytes from 8 rows to the next.
#define WGMMA(COLUMNS, SUMS, FRAGMENT, B, ADD, TRANSPOSE, ...)                                    \
  asm volatile("{\n.reg .pred add;\n.reg .b64 b;\nsetp.ne.b32 add, " ADD ", 0;\n"                  \
               "mov.b64 b, {" B ", 0x40000040};\n"                                                \
               "wgmma.mma_async.sync.aligned.m64n" COLUMNS "k16.f32.bf16.bf16 {" SUMS "}, "       \
               "{" FRAGMENT "}, b, add, 1, 1, " TRANSPOSE ";\n}\n"                            \
               : __VA_ARGS__                                                                      \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b), "r"((int)add),               \
                 "n"((int)TRANSPOSED))

// c = a b, or c += a b if `add`: 64 rows, 8 N columns, 16 deep. The right operand has its columns in
// a row of shared memory if TRANSPOSED, else its depth.
template <bool TRANSPOSED>
__device__ __forceinline__ void multiplyGroup(
    float (&c)[8][4], const uint32_t (&a)[4], uint32_t b, bool add) {
  WGMMA("64", SUMS_0 ", " SUMS_16, "%32, %33, %34, %35", "%36", "%37", "%38",  //
      SUM_16(c, 0), SUM_16(c, 4));
}

template <bool TRANSPOSED>
__device__ __forceinline__ void multiplyGroup(
    float (&c)[12][4], const uint32_t (&a)[4], uint32_t b, bool add) {
  WGMMA("96", SUMS_0 ", " SUMS_16 ", " SUMS_32, "%48, %49, %50, %51", "%52", "%53", "%54",
      SUM_16(c, 0), SUM_16(c, 4), SUM_16(c, 8));
}

template <bool TRANSPOSED>
__device__ __forceinline__ void multiplyGroup(
    float (&c)[16][4], const uint32_t (&a)[4], uint32_t b, bool add) {
  WGMMA("128", SUMS_0 ", " SUMS_16 ", " SUMS_32 ", " SUMS_48, "%64, %65, %66, %67", "%68", "%69",
      "%70", SUM_16(c, 0), SUM_16(c, 4), SUM_16(c, 8), SUM_16(c, 12));
}

// Copies are writes of the generic proxy; products read shared memory through the async proxy.
__device__ __forceinline__ void showCopiesToProducts() {
  asm volatile("fence.proxy.async.shared::cta;\n" ::: "memory");
}

// A warpgroup's share of the registers, a multiple of 8.
template <int REGISTERS>
__device__ __forceinline__ void takeRegisters() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;\n" ::"n"(REGISTERS));
}

template <int REGISTERS>
__device__ __forceinline__ void giveRegisters() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;\n" ::"n"(REGISTERS));
}

}  // namespace sparsefill
