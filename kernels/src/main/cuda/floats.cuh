// Eight numbers of a thread in fp32, loaded from and stored to 16-byte boundaries.
#pragma once

#include "common.cuh"

/** A vector of numbers in fp32. */
struct alignas(16) Floats {
  float x[VECTOR];

  __device__ __forceinline__ void load(const bf16* from) {
    Bf16x8 v;
    v.bits = *(const uint4*)from;
#pragma unroll
    for (int j = 0; j < VECTOR; j++) x[j] = __bfloat162float(v.x[j]);
  }

  __device__ __forceinline__ void load(const float* from) {
    *(float4*)x = *(const float4*)from;
    *(float4*)(x + 4) = *(const float4*)(from + 4);
  }

  __device__ __forceinline__ void store(bf16* to) const {
    Bf16x8 v;
#pragma unroll
    for (int j = 0; j < VECTOR; j++) v.x[j] = __float2bfloat16_rn(x[j]);
    *(uint4*)to = v.bits;
  }

  __device__ __forceinline__ void store(float* to) const {
    *(float4*)to = *(const float4*)x;
    *(float4*)(to + 4) = *(const float4*)(x + 4);
  }

  __device__ __forceinline__ float squares() const {
    float sum = 0;
#pragma unroll
    for (int j = 0; j < VECTOR; j++) sum += x[j] * x[j];
    return sum;
  }

  __device__ __forceinline__ void scale(float factor) {
#pragma unroll
    for (int j = 0; j < VECTOR; j++) x[j] *= factor;
  }

  __device__ __forceinline__ void scale(const Floats& factors) {
#pragma unroll
    for (int j = 0; j < VECTOR; j++) x[j] *= factors.x[j];
  }
};
