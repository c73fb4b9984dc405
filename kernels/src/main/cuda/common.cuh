// What every stage shares: element conversion, reductions, and the form of the tables that Java reads
// from the PTX text.
//
// NAME_layout: size of a parameter struct, then the offset of each field in order.
// KERNEL_launch: threads per block, dynamic shared bytes, and two numbers with a meaning of their own.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <stddef.h>
#include <stdint.h>

typedef __nv_bfloat16 bf16;

/** Elements of one 16-byte access. */
constexpr int VECTOR = 8;

/** Eight bf16 at a 16-byte boundary. */
union Bf16x8 {
  uint4 bits;
  bf16 x[VECTOR];
};

__device__ __forceinline__ float warpSum(float x) {
#pragma unroll
  for (int lane = 16; lane > 0; lane >>= 1) x += __shfl_xor_sync(0xffffffffu, x, lane);
  return x;
}

__device__ __forceinline__ float warpMax(float x) {
#pragma unroll
  for (int lane = 16; lane > 0; lane >>= 1) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, lane));
  return x;
}

/** Sum over a block of at most 1024 threads, for all of them; scratch holds 32 floats. */
__device__ __forceinline__ float blockSum(float x, float* scratch) {
  x = warpSum(x);
  __syncthreads();  // scratch may still be read from the call before
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  __syncthreads();
  int warps = (blockDim.x + 31) / 32;
  return warpSum(threadIdx.x % 32 < warps ? scratch[threadIdx.x % 32] : 0.0f);
}

/** Maximum over a block of at most 1024 threads, for all of them; NaN does not count. */
__device__ __forceinline__ float blockMax(float x, float* scratch) {
  x = warpMax(x);
  __syncthreads();
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  __syncthreads();
  int warps = (blockDim.x + 31) / 32;
  return warpMax(threadIdx.x % 32 < warps ? scratch[threadIdx.x % 32] : -INFINITY);
}
