// Keys and values on their way out, in the element type in which they are stored. Rows of the source
// begin at 16-byte boundaries and are strided, those of the result follow one another.

#include "floats.cuh"

// --- Conversion -----------------------------------------------------------------------------------

/**
 * Rows without gaps in another type (0 bf16, 1 fp16, 2 fp32), and in bad[0] the lowest index of an
 * element that is not finite, in bad[1] of one that fp16 cannot hold; ~0 when there is none.
 */
struct PackParams {
  const void* source;
  void* out;
  unsigned long long* bad;
  int64_t ldSource, count;
  int cols, sourceFloat, target;
};

extern "C" {
__constant__ int pack_layout[] = {
    (int)sizeof(PackParams),           (int)offsetof(PackParams, source),
    (int)offsetof(PackParams, out),    (int)offsetof(PackParams, bad),
    (int)offsetof(PackParams, ldSource), (int)offsetof(PackParams, count),
    (int)offsetof(PackParams, cols),   (int)offsetof(PackParams, sourceFloat),
    (int)offsetof(PackParams, target)};
__constant__ int pack_launch[] = {256, 0, 8, 0};
}

/** Marks the element that lies at `index` of the packed ones when its type cannot hold it. */
__device__ __forceinline__ void mark(const PackParams& p, float x, int64_t index) {
  if (!isfinite(x)) {
    atomicMin(&p.bad[0], (unsigned long long)index);
  } else if (p.target == 1 && fabsf(x) >= 65520.0f) {
    atomicMin(&p.bad[1], (unsigned long long)index);
  }
}

/** Eight elements of one row. */
__device__ __forceinline__ void packVector(const PackParams& p, int64_t index) {
  unsigned perRow = p.cols / VECTOR;
  unsigned vector = (unsigned)(index / VECTOR);
  int64_t at = vector / perRow * p.ldSource + (int64_t)(vector % perRow) * VECTOR;
  Floats v;
  if (p.sourceFloat) {
    v.load((const float*)p.source + at);
  } else {
    v.load((const bf16*)p.source + at);
  }
#pragma unroll
  for (int j = 0; j < VECTOR; j++) mark(p, v.x[j], index + j);
  if (p.target == 0) {
    v.store((bf16*)p.out + index);
  } else if (p.target == 1) {
    alignas(16) __half h[VECTOR];
#pragma unroll
    for (int j = 0; j < VECTOR; j++) h[j] = __float2half_rn(v.x[j]);
    *(uint4*)((__half*)p.out + index) = *(const uint4*)h;
  } else {
    v.store((float*)p.out + index);
  }
}

extern "C" __global__ void __launch_bounds__(256) pack(const __grid_constant__ PackParams p) {
  int64_t first = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * VECTOR;
  if (p.cols % VECTOR == 0) {
    if (first < p.count) packVector(p, first);
    return;
  }
  int64_t end = first + VECTOR < p.count ? first + VECTOR : p.count;
  for (int64_t i = first; i < end; i++) {
    int64_t at = i / p.cols * p.ldSource + i % p.cols;
    float x = p.sourceFloat ? ((const float*)p.source)[at]
                            : __bfloat162float(((const bf16*)p.source)[at]);
    mark(p, x, i);
    if (p.target == 0) {
      ((bf16*)p.out)[i] = __float2bfloat16_rn(x);
    } else if (p.target == 1) {
      ((__half*)p.out)[i] = __float2half_rn(x);
    } else {
      ((float*)p.out)[i] = x;
    }
  }
}

// --- Quantisation ---------------------------------------------------------------------------------

/**
 * Heads as E4M3FN codes of x / scale, with a 448th of the head's largest magnitude as its scale, and
 * at least the smallest normal number. In bad[0] the lowest index of an element that is not finite.
 */
struct PackFp8Params {
  const void* source;       // [rows, heads * headDim]
  uint8_t* out;             // [rows, heads, headDim]
  float* scales;            // [rows, heads]
  unsigned long long* bad;
  int64_t ldSource;
  int items;                // rows * heads
  int heads, headDim, sourceFloat;
  int lanes;                // threads that share a head, a power of two
};

extern "C" {
__constant__ int pack_fp8_layout[] = {
    (int)sizeof(PackFp8Params),             (int)offsetof(PackFp8Params, source),
    (int)offsetof(PackFp8Params, out),      (int)offsetof(PackFp8Params, scales),
    (int)offsetof(PackFp8Params, bad),      (int)offsetof(PackFp8Params, ldSource),
    (int)offsetof(PackFp8Params, items),    (int)offsetof(PackFp8Params, heads),
    (int)offsetof(PackFp8Params, headDim),  (int)offsetof(PackFp8Params, sourceFloat),
    (int)offsetof(PackFp8Params, lanes)};
__constant__ int pack_fp8_launch[] = {256, 0, 0, 0};
}

/**
 * The code of a finite number, rounded to nearest even; beyond 448 it is that of 448. In integers:
 * the instruction for it needs sm_89.
 */
__device__ __forceinline__ unsigned e4m3(float x) {
  unsigned sign = __float_as_uint(x) >> 24 & 0x80;
  float size = fminf(fabsf(x), 448.0f);
  unsigned bits = __float_as_uint(size);
  // Below 2^-6 codes count units of 2^-9.
  unsigned code = size < 0.015625f ? __float2uint_rn(size * 512.0f)
                                   : ((bits + 0x7ffff + (bits >> 20 & 1)) >> 20) - (120 << 3);
  return sign | code;
}

/** N neighbours of a head, 1 or a vector. */
template <int N>
__device__ __forceinline__ void loadNeighbours(float (&x)[N], const PackFp8Params& p, int64_t at) {
  if constexpr (N == VECTOR) {
    Floats v;
    if (p.sourceFloat) {
      v.load((const float*)p.source + at);
    } else {
      v.load((const bf16*)p.source + at);
    }
#pragma unroll
    for (int j = 0; j < N; j++) x[j] = v.x[j];
  } else {
    x[0] = p.sourceFloat ? ((const float*)p.source)[at]
                         : __bfloat162float(((const bf16*)p.source)[at]);
  }
}

/** One head; threads without one take part in the largest of their warp, and in nothing else. */
template <int N>
__device__ __forceinline__ void packHead(const PackFp8Params& p, int item, int lane) {
  int d = item < p.items ? p.headDim : 0;
  int64_t source = item / p.heads * p.ldSource + (int64_t)(item % p.heads) * p.headDim;
  int64_t target = (int64_t)item * p.headDim;
  float x[N];
  float largest = 0;
  for (int i = lane * N; i < d; i += p.lanes * N) {
    loadNeighbours<N>(x, p, source + i);
#pragma unroll
    for (int j = 0; j < N; j++) {
      if (!isfinite(x[j])) atomicMin(&p.bad[0], (unsigned long long)(target + i + j));
      largest = fmaxf(largest, fabsf(x[j]));
    }
  }
  for (int other = p.lanes / 2; other > 0; other >>= 1) {
    largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, other));
  }
  float scale = fmaxf(__fdiv_rn(largest, 448.0f), 1.17549435e-38f);
  if (lane == 0 && d > 0) p.scales[item] = scale;
  for (int i = lane * N; i < d; i += p.lanes * N) {
    // A head of one vector for each thread is still in registers.
    if (d > p.lanes * N) loadNeighbours<N>(x, p, source + i);
    unsigned codes[(N + 3) / 4] = {};
#pragma unroll
    for (int j = 0; j < N; j++) codes[j / 4] |= e4m3(__fdiv_rn(x[j], scale)) << 8 * (j % 4);
    if constexpr (N == VECTOR) {
      *(uint2*)(p.out + target + i) = make_uint2(codes[0], codes[1]);
    } else {
      p.out[target + i] = (uint8_t)codes[0];
    }
  }
}

extern "C" __global__ void __launch_bounds__(256) pack_fp8(const __grid_constant__ PackFp8Params p) {
  int item = blockIdx.x * (blockDim.x / p.lanes) + threadIdx.x / p.lanes;
  int lane = threadIdx.x % p.lanes;
  if (p.headDim % VECTOR == 0) {
    packHead<VECTOR>(p, item, lane);
  } else {
    packHead<1>(p, item, lane);
  }
}
