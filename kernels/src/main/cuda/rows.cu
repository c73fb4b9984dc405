// The operators that work on rows: embedding, RMS norm, bias, head split with QK norm and RoPE,
// SiLU-mul, and log-likelihoods. Inputs are bf16, sums are fp32, each result is rounded once. Row strides are in elements and keep rows at 16-byte boundaries; what lies
// between the columns and the stride has no defined value.

#include "floats.cuh"

/** Loads that a thread starts before it uses the first of them. */
constexpr int AHEAD = 4;

// --- RoPE table -----------------------------------------------------------------------------------

/** out[t] = cosines of all pairs, then sines, of the fp32 angles t * frequency. */
struct RopeParams {
  const float* frequencies;
  float* out;
  int64_t ldOut;
  double scaling;
  int tokens, pairs;
};

extern "C" {
__constant__ int rope_layout[] = {
    (int)sizeof(RopeParams),          (int)offsetof(RopeParams, frequencies),
    (int)offsetof(RopeParams, out),   (int)offsetof(RopeParams, ldOut),
    (int)offsetof(RopeParams, scaling), (int)offsetof(RopeParams, tokens),
    (int)offsetof(RopeParams, pairs)};
__constant__ int rope_launch[] = {128, 0, 0, 0};
}

extern "C" __global__ void rope(const __grid_constant__ RopeParams p) {
  int64_t t = blockIdx.x;
  for (int i = threadIdx.x; i < p.pairs; i += blockDim.x) {
    // The angle in fp32, as transformers and serving engines compute it; its cosine in double.
    float angle = __fmul_rn((float)t, p.frequencies[i]);
    p.out[t * p.ldOut + i] = (float)(cos((double)angle) * p.scaling);
    p.out[t * p.ldOut + p.pairs + i] = (float)(sin((double)angle) * p.scaling);
  }
}

// --- Embedding ------------------------------------------------------------------------------------

/** out[i] = table[tokens[i]]. */
struct EmbedParams {
  const bf16* table;
  const int* tokens;
  bf16* out;
  int64_t ldTable, ldOut;
  int rows, cols;
};

extern "C" {
__constant__ int embed_layout[] = {
    (int)sizeof(EmbedParams),           (int)offsetof(EmbedParams, table),
    (int)offsetof(EmbedParams, tokens), (int)offsetof(EmbedParams, out),
    (int)offsetof(EmbedParams, ldTable), (int)offsetof(EmbedParams, ldOut),
    (int)offsetof(EmbedParams, rows),   (int)offsetof(EmbedParams, cols)};
__constant__ int embed_launch[] = {128, 0, 0, 0};
}

extern "C" __global__ void embed(const __grid_constant__ EmbedParams p) {
  const uint4* from = (const uint4*)(p.table + p.tokens[blockIdx.x] * p.ldTable);
  uint4* to = (uint4*)(p.out + blockIdx.x * p.ldOut);
  // Whole vectors: both rows are padded to their stride.
  int vectors = (p.cols + VECTOR - 1) / VECTOR;
  for (int first = threadIdx.x; first < vectors; first += AHEAD * blockDim.x) {
    uint4 v[AHEAD];
#pragma unroll
    for (int n = 0; n < AHEAD; n++) {
      int i = first + n * blockDim.x;
      if (i < vectors) v[n] = from[i];
    }
#pragma unroll
    for (int n = 0; n < AHEAD; n++) {
      int i = first + n * blockDim.x;
      if (i < vectors) to[i] = v[n];
    }
  }
}

// --- RMS norm -------------------------------------------------------------------------------------

/** out = x / sqrt(mean(x^2) + eps) * weight; out may be x. */
struct RmsNormParams {
  const bf16* x;
  const bf16* weight;
  bf16* out;
  int64_t ldx, ldOut;
  int rows, cols;
  float eps;
};

extern "C" {
__constant__ int rms_norm_layout[] = {
    (int)sizeof(RmsNormParams),           (int)offsetof(RmsNormParams, x),
    (int)offsetof(RmsNormParams, weight), (int)offsetof(RmsNormParams, out),
    (int)offsetof(RmsNormParams, ldx),    (int)offsetof(RmsNormParams, ldOut),
    (int)offsetof(RmsNormParams, rows),   (int)offsetof(RmsNormParams, cols),
    (int)offsetof(RmsNormParams, eps)};
__constant__ int rms_norm_launch[] = {256, 0, 0, 0};
}

extern "C" __global__ void __launch_bounds__(256)
    rms_norm(const __grid_constant__ RmsNormParams p) {
  __shared__ float scratch[32];
  const bf16* x = p.x + blockIdx.x * p.ldx;
  bf16* out = p.out + blockIdx.x * p.ldOut;
  int vectors = p.cols / VECTOR;
  int tail = vectors * VECTOR + threadIdx.x;
  int later = threadIdx.x + AHEAD * blockDim.x;
  uint4 kept[AHEAD];
#pragma unroll
  for (int n = 0; n < AHEAD; n++) {
    int i = threadIdx.x + n * blockDim.x;
    kept[n] = i < vectors ? ((const uint4*)x)[i] : make_uint4(0, 0, 0, 0);
  }
  float squares = 0;
#pragma unroll
  for (int n = 0; n < AHEAD; n++) {
    Floats v;
    v.load((const bf16*)&kept[n]);
    squares += v.squares();
  }
  for (int i = later; i < vectors; i += blockDim.x) {
    Floats v;
    v.load(x + i * VECTOR);
    squares += v.squares();
  }
  if (tail < p.cols) {
    float f = __bfloat162float(x[tail]);
    squares += f * f;
  }
  float factor = 1.0f / sqrtf(blockSum(squares, scratch) / p.cols + p.eps);
  auto write = [&](Floats v, int i) {
    Floats weight;
    weight.load(p.weight + i * VECTOR);
    v.scale(factor);
    v.scale(weight);
    v.store(out + i * VECTOR);
  };
#pragma unroll
  for (int n = 0; n < AHEAD; n++) {
    int i = threadIdx.x + n * blockDim.x;
    if (i < vectors) {
      Floats v;
      v.load((const bf16*)&kept[n]);
      write(v, i);
    }
  }
  // A thread reads again what it alone overwrites, so out may be x.
  for (int i = later; i < vectors; i += blockDim.x) {
    Floats v;
    v.load(x + i * VECTOR);
    write(v, i);
  }
  if (tail < p.cols) {
    out[tail] =
        __float2bfloat16_rn(__bfloat162float(x[tail]) * factor * __bfloat162float(p.weight[tail]));
  }
}

// --- Bias -----------------------------------------------------------------------------------------

/**
 * out = bias on every row, fp32 when outFloat is set, else bf16: what a product that cannot add a
 * bias is then added to.
 */
struct BiasParams {
  const bf16* bias;
  void* out;
  int64_t ldOut;
  int rows, cols, outFloat;
};

extern "C" {
__constant__ int bias_layout[] = {
    (int)sizeof(BiasParams),         (int)offsetof(BiasParams, bias),
    (int)offsetof(BiasParams, out),  (int)offsetof(BiasParams, ldOut),
    (int)offsetof(BiasParams, rows), (int)offsetof(BiasParams, cols),
    (int)offsetof(BiasParams, outFloat)};
__constant__ int bias_launch[] = {256, 0, 0, 0};
}

extern "C" __global__ void bias(const __grid_constant__ BiasParams p) {
  int64_t row = blockIdx.x * p.ldOut;
  for (int i = threadIdx.x; i < p.cols; i += blockDim.x) {
    if (p.outFloat) {
      ((float*)p.out)[row + i] = __bfloat162float(p.bias[i]);
    } else {
      ((bf16*)p.out)[row + i] = p.bias[i];
    }
  }
}

// --- Head split, QK norm, RoPE --------------------------------------------------------------------

/**
 * Rows of [q | k | v] to heads; q and k heads are normalised when there are norm weights, then
 * rotated by the rows of the RoPE table from `position` on. heads is 0 when there are no queries.
 * `lanes` threads, a power of two, share a head: 32, or as many as have 16 numbers each when
 * headDim is a multiple of 16 and pairs of 8.
 */
struct SplitParams {
  const bf16* qkv;
  const float* rope;
  const bf16* qNorm;
  const bf16* kNorm;
  bf16* q;
  bf16* k;
  bf16* v;
  int64_t ldQkv, ldRope, ldQ, ldK, ldV;
  int rows, heads, kvHeads, headDim, pairs, position, interleaved;
  float eps;
  int lanes;
};

extern "C" {
__constant__ int split_rotate_layout[] = {
    (int)sizeof(SplitParams),             (int)offsetof(SplitParams, qkv),
    (int)offsetof(SplitParams, rope),     (int)offsetof(SplitParams, qNorm),
    (int)offsetof(SplitParams, kNorm),    (int)offsetof(SplitParams, q),
    (int)offsetof(SplitParams, k),        (int)offsetof(SplitParams, v),
    (int)offsetof(SplitParams, ldQkv),    (int)offsetof(SplitParams, ldRope),
    (int)offsetof(SplitParams, ldQ),      (int)offsetof(SplitParams, ldK),
    (int)offsetof(SplitParams, ldV),      (int)offsetof(SplitParams, rows),
    (int)offsetof(SplitParams, heads),    (int)offsetof(SplitParams, kvHeads),
    (int)offsetof(SplitParams, headDim),  (int)offsetof(SplitParams, pairs),
    (int)offsetof(SplitParams, position), (int)offsetof(SplitParams, interleaved),
    (int)offsetof(SplitParams, eps),      (int)offsetof(SplitParams, lanes)};
__constant__ int split_rotate_launch[] = {256, 0, 0, 0};
}

/** Where a head comes from and goes to. */
struct Head {
  const bf16* in;
  bf16* out;
  const bf16* norm;
  bool rotated;

  __device__ __forceinline__ Head(const SplitParams& p, int64_t row, int head) {
    int d = p.headDim;
    in = p.qkv + row * p.ldQkv + (int64_t)head * d;
    bool query = head < p.heads;
    rotated = head < p.heads + p.kvHeads;
    norm = query ? p.qNorm : rotated ? p.kNorm : nullptr;
    if (query) {
      out = p.q + row * p.ldQ + (int64_t)head * d;
    } else if (rotated) {
      out = p.k + row * p.ldK + (int64_t)(head - p.heads) * d;
    } else {
      out = p.v + row * p.ldV + (int64_t)(head - p.heads - p.kvHeads) * d;
    }
  }
};

/** x and y turned by the angles of eight pairs: of x[i] and y[i], or of neighbours in x, then y. */
__device__ __forceinline__ void rotate(
    Floats& x, Floats& y, const Floats& cosine, const Floats& sine, bool interleaved) {
  Floats a = x, b = y;
  if (interleaved) {
#pragma unroll
    for (int i = 0; i < VECTOR / 2; i++) {
      a.x[i] = x.x[2 * i], b.x[i] = x.x[2 * i + 1];
      a.x[i + VECTOR / 2] = y.x[2 * i], b.x[i + VECTOR / 2] = y.x[2 * i + 1];
    }
  }
  Floats u, w;
#pragma unroll
  for (int i = 0; i < VECTOR; i++) {
    u.x[i] = a.x[i] * cosine.x[i] - b.x[i] * sine.x[i];
    w.x[i] = b.x[i] * cosine.x[i] + a.x[i] * sine.x[i];
  }
  x = u, y = w;
  if (interleaved) {
#pragma unroll
    for (int i = 0; i < VECTOR / 2; i++) {
      x.x[2 * i] = u.x[i], x.x[2 * i + 1] = w.x[i];
      y.x[2 * i] = u.x[i + VECTOR / 2], y.x[2 * i + 1] = w.x[i + VECTOR / 2];
    }
  }
}

/** A head by threads with two vectors of eight numbers each. */
__device__ __forceinline__ void splitVectors(
    const SplitParams& p, int64_t row, const Head& head, int lane) {
  bool mine = lane < p.headDim / (2 * VECTOR);
  bool turned = head.rotated && lane < p.pairs / VECTOR;
  int a = 2 * lane * VECTOR;
  int b = a + VECTOR;
  if (turned && !p.interleaved) {
    a = lane * VECTOR;
    b = a + p.pairs;
  }
  Floats x = {}, y = {};
  if (mine) {
    x.load(head.in + a);
    y.load(head.in + b);
  }
  if (p.qNorm || p.kNorm) {
    float squares = x.squares() + y.squares();
    for (int other = p.lanes / 2; other > 0; other >>= 1) {
      squares += __shfl_xor_sync(0xffffffffu, squares, other);
    }
    if (head.norm && mine) {
      float factor = 1.0f / sqrtf(squares / p.headDim + p.eps);
      Floats weight;
      weight.load(head.norm + a);
      x.scale(factor);
      x.scale(weight);
      weight.load(head.norm + b);
      y.scale(factor);
      y.scale(weight);
    }
  }
  if (turned) {
    const float* angles = p.rope + (p.position + row) * p.ldRope + lane * VECTOR;
    Floats cosine, sine;
    cosine.load(angles);
    sine.load(angles + p.pairs);
    rotate(x, y, cosine, sine, p.interleaved);
  }
  if (mine) {
    x.store(head.out + a);
    y.store(head.out + b);
  }
}

/** A head of any size by one warp. */
__device__ __forceinline__ void splitNumbers(
    const SplitParams& p, int64_t row, const Head& head, int lane) {
  int d = p.headDim;
  if (!head.rotated) {
    for (int i = lane; i < d; i += 32) head.out[i] = head.in[i];
    return;
  }
  float factor = 1;
  if (head.norm) {
    float squares = 0;
    for (int i = lane; i < d; i += 32) {
      float x = __bfloat162float(head.in[i]);
      squares += x * x;
    }
    factor = 1.0f / sqrtf(warpSum(squares) / d + p.eps);
  }
  auto element = [&](int i) {
    float x = __bfloat162float(head.in[i]) * factor;
    return head.norm ? x * __bfloat162float(head.norm[i]) : x;
  };
  const float* cosines = p.rope + (p.position + row) * p.ldRope;
  const float* sines = cosines + p.pairs;
  for (int i = lane; i < p.pairs; i += 32) {
    int a = p.interleaved ? 2 * i : i;
    int b = p.interleaved ? 2 * i + 1 : i + p.pairs;
    float x = element(a);
    float y = element(b);
    head.out[a] = __float2bfloat16_rn(x * cosines[i] - y * sines[i]);
    head.out[b] = __float2bfloat16_rn(y * cosines[i] + x * sines[i]);
  }
  for (int i = 2 * p.pairs + lane; i < d; i += 32) {
    head.out[i] = __float2bfloat16_rn(element(i));
  }
}

/** Threads in the order of rows, heads, and lanes of a head. */
extern "C" __global__ void __launch_bounds__(256)
    split_rotate(const __grid_constant__ SplitParams p) {
  unsigned heads = p.heads + 2 * p.kvHeads;
  unsigned item = blockIdx.x * (blockDim.x / p.lanes) + threadIdx.x / p.lanes;
  int lane = threadIdx.x % p.lanes;
  bool exists = item / heads < p.rows;
  // Threads past the end take part in the sums of their warp, and in nothing else.
  int64_t row = exists ? item / heads : p.rows - 1;
  Head head(p, row, item % heads);
  if (p.lanes == 32 && (p.headDim % (2 * VECTOR) != 0 || p.pairs % VECTOR != 0)) {
    if (exists) splitNumbers(p, row, head, lane);
  } else {
    splitVectors(p, row, head, exists ? lane : p.headDim);
  }
}

// --- SiLU-mul -------------------------------------------------------------------------------------

/** out[:, c] = silu(gateUp[:, c]) * gateUp[:, cols + c]. */
struct SiluMulParams {
  const bf16* gateUp;
  bf16* out;
  int64_t ldGateUp, ldOut;
  int rows, cols;
};

extern "C" {
__constant__ int silu_mul_layout[] = {
    (int)sizeof(SiluMulParams),             (int)offsetof(SiluMulParams, gateUp),
    (int)offsetof(SiluMulParams, out),      (int)offsetof(SiluMulParams, ldGateUp),
    (int)offsetof(SiluMulParams, ldOut),    (int)offsetof(SiluMulParams, rows),
    (int)offsetof(SiluMulParams, cols)};
__constant__ int silu_mul_launch[] = {256, 0, 0, 0};
}

__device__ __forceinline__ bf16 siluMul(bf16 gate, bf16 up) {
  float x = __bfloat162float(gate);
  return __float2bfloat16_rn(x / (1.0f + __expf(-x)) * __bfloat162float(up));
}

extern "C" __global__ void __launch_bounds__(256)
    silu_mul(const __grid_constant__ SiluMulParams p) {
  const bf16* gate = p.gateUp + blockIdx.x * p.ldGateUp;
  const bf16* up = gate + p.cols;
  bf16* out = p.out + blockIdx.x * p.ldOut;
  // The up part begins at a 16-byte boundary only when the columns fill whole vectors.
  int vectors = p.cols % VECTOR == 0 ? p.cols / VECTOR : 0;
  constexpr int PAIRS = AHEAD / 2;
  for (int first = threadIdx.x; first < vectors; first += PAIRS * blockDim.x) {
    Bf16x8 g[PAIRS], u[PAIRS];
#pragma unroll
    for (int n = 0; n < PAIRS; n++) {
      int i = first + n * blockDim.x;
      if (i < vectors) {
        g[n].bits = ((const uint4*)gate)[i];
        u[n].bits = ((const uint4*)up)[i];
      }
    }
#pragma unroll
    for (int n = 0; n < PAIRS; n++) {
      int i = first + n * blockDim.x;
      if (i < vectors) {
#pragma unroll
        for (int j = 0; j < VECTOR; j++) g[n].x[j] = siluMul(g[n].x[j], u[n].x[j]);
        ((uint4*)out)[i] = g[n].bits;
      }
    }
  }
  for (int i = vectors * VECTOR + threadIdx.x; i < p.cols; i += blockDim.x) {
    out[i] = siluMul(gate[i], up[i]);
  }
}

// --- Log-likelihoods ------------------------------------------------------------------------------

/** result[i] = logsumexp(logits[i]) - logits[i][targets[i]]; logits are fp32 or bf16. */
struct NllParams {
  const void* logits;
  const int* targets;
  float* result;
  int64_t ldLogits;
  int rows, cols, logitsFloat;
};

extern "C" {
__constant__ int nll_layout[] = {
    (int)sizeof(NllParams),           (int)offsetof(NllParams, logits),
    (int)offsetof(NllParams, targets), (int)offsetof(NllParams, result),
    (int)offsetof(NllParams, ldLogits), (int)offsetof(NllParams, rows),
    (int)offsetof(NllParams, cols),   (int)offsetof(NllParams, logitsFloat)};
__constant__ int nll_launch[] = {512, 0, 0, 0};
}

extern "C" __global__ void __launch_bounds__(512) nll(const __grid_constant__ NllParams p) {
  __shared__ float scratch[32];
  int64_t row = blockIdx.x * p.ldLogits;
  auto logit = [&](int i) {
    return p.logitsFloat ? ((const float*)p.logits)[row + i]
                         : __bfloat162float(((const bf16*)p.logits)[row + i]);
  };
  float max = -INFINITY;
  for (int i = threadIdx.x; i < p.cols; i += blockDim.x) max = fmaxf(max, logit(i));
  max = blockMax(max, scratch);
  float sum = 0;
  for (int i = threadIdx.x; i < p.cols; i += blockDim.x) sum += expf(logit(i) - max);
  sum = blockSum(sum, scratch);
  // The target's distance first: a difference of two large numbers would lose what the log adds.
  if (threadIdx.x == 0) {
    p.result[blockIdx.x] = logf(sum) + (max - logit(p.targets[blockIdx.x]));
  }
}
