// Checks gemm.cu against double sums on the host and times it beside cuBLAS. Stands alone:
//
//   nvcc -O3 -std=c++17 -gencode=arch=compute_80,code=compute_80 -o gemm_test gemm_test.cu -ldl
//   ./gemm_test check             every odd size, strides, bias, accumulation, both outputs; then large samples
//   ./gemm_test small             a few of them, for compute-sanitizer
//   ./gemm_test time LIBCUBLAS M...  the shapes of Llama-3-8B with so many rows
#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "../../main/cuda/gemm.cu"

#define CHECK(call)                                                                             \
  do {                                                                                          \
    cudaError_t e = (call);                                                                     \
    if (e != cudaSuccess) {                                                                     \
      fprintf(stderr, "%s:%d %s: %s\n", __FILE__, __LINE__, #call, cudaGetErrorString(e));      \
      exit(2);                                                                                  \
    }                                                                                           \
  } while (0)

namespace {

using bf16 = __nv_bfloat16;
constexpr unsigned char kGuard = 0xA5;
constexpr size_t kGuardBytes = 4096;

// Device memory full of NaN, with guard bytes behind it.
struct Buffer {
  unsigned char* data = nullptr;
  size_t bytes;
  explicit Buffer(size_t bytes) : bytes(bytes) {
    CHECK(cudaMalloc(&data, bytes + kGuardBytes));
    CHECK(cudaMemset(data, 0xff, bytes));
    CHECK(cudaMemset(data + bytes, kGuard, kGuardBytes));
  }
  ~Buffer() { cudaFree(data); }
  Buffer(const Buffer&) = delete;
  bool guardIntact() const {
    std::vector<unsigned char> tail(kGuardBytes);
    CHECK(cudaMemcpy(tail.data(), data + bytes, kGuardBytes, cudaMemcpyDeviceToHost));
    return std::all_of(tail.begin(), tail.end(), [](unsigned char b) { return b == kGuard; });
  }
};

uint32_t hash(uint32_t x) {
  x ^= x >> 16, x *= 0x7feb352du, x ^= x >> 15, x *= 0x846ca68bu, x ^= x >> 16;
  return x;
}

// Sums of two uniform numbers, in [-1, 1]; the padding of rows is NaN.
__global__ void fill(bf16* out, size_t count, int64_t stride, int64_t cols, uint32_t seed) {
  for (size_t i = blockIdx.x * static_cast<size_t>(blockDim.x) + threadIdx.x; i < count;
       i += static_cast<size_t>(gridDim.x) * blockDim.x) {
    uint32_t x = static_cast<uint32_t>(i) * 2654435761u + static_cast<uint32_t>(i >> 32) * 40503u + seed;
    x ^= x >> 16, x *= 0x7feb352du, x ^= x >> 15, x *= 0x846ca68bu, x ^= x >> 16;
    float v = ((x & 0xffff) + (x >> 16)) / 65536.0f - 1.0f;
    out[i] = __float2bfloat16(static_cast<int64_t>(i % stride) < cols ? v : __int_as_float(0x7fffffff));
  }
}

int64_t padded(int64_t cols, int64_t to) { return (cols + to - 1) / to * to; }

struct Matrix {
  int64_t rows, cols, stride;
  Buffer buffer;
  Matrix(int64_t rows, int64_t cols, int64_t stride, uint32_t seed)
      : rows(rows), cols(cols), stride(stride), buffer(rows * stride * 2) {
    fill<<<1024, 256>>>(device(), rows * stride, stride, cols, seed);
    CHECK(cudaGetLastError());
  }
  bf16* device() const { return reinterpret_cast<bf16*>(buffer.data); }
  std::vector<bf16> host(int64_t from, int64_t count) const {
    std::vector<bf16> h(count * stride);
    CHECK(cudaMemcpy(h.data(), device() + from * stride, h.size() * 2, cudaMemcpyDeviceToHost));
    return h;
  }
};

using Kernel = void (*)(GemmParams);

struct Variant {
  const char* name;
  Kernel toBf16, toFloat;
  int threads, shared, rows, cols;
};

template <class T>
Variant describe(const char* name, Kernel toBf16, Kernel toFloat) {
  for (Kernel kernel : {toBf16, toFloat}) {
    CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, T::kSharedBytes));
  }
  return {name, toBf16, toFloat, T::kThreads, T::kSharedBytes, T::kRows, T::kCols};
}

const std::vector<Variant>& variants() {
  static const std::vector<Variant> all = {describe<WideTile>("wide", gemm_wide_bf16, gemm_wide_f32),
                                           describe<SquareTile>("square", gemm_square_bf16, gemm_square_f32),
                                           describe<LowTile>("low", gemm_low_bf16, gemm_low_f32)};
  return all;
}

constexpr size_t kPartialBytes = 64 << 20;
constexpr int kArrived = 4096;

// What the parts of k pass through; the counters are zero, and stay so between products.
struct Workspace {
  float* partial = nullptr;
  int* arrived = nullptr;
  Workspace() {
    CHECK(cudaMalloc(&partial, kPartialBytes));
    CHECK(cudaMemset(partial, 0xff, kPartialBytes));
    CHECK(cudaMalloc(&arrived, kArrived * sizeof(int)));
    CHECK(cudaMemset(arrived, 0, kArrived * sizeof(int)));
  }
};

// The parts that k really falls into when `wanted` are asked for; 0 when the workspace does not hold them.
int parts(const Variant& v, int m, int n, int k, int wanted) {
  int slices = (k + 63) / 64;
  int share = (slices + wanted - 1) / wanted;
  int parts = (slices + share - 1) / share;
  size_t tiles = static_cast<size_t>((m + v.rows - 1) / v.rows) * ((n + v.cols - 1) / v.cols);
  bool fits = tiles <= kArrived && tiles * parts * v.rows * v.cols * sizeof(float) <= kPartialBytes;
  return parts == 1 || fits ? parts : 0;
}

void launch(const Variant& v, GemmParams p, bool f32, int splits) {
  static Workspace workspace;
  p.splits = splits;
  p.partial = workspace.partial;
  p.arrived = workspace.arrived;
  unsigned blocks = ((p.m + v.rows - 1) / v.rows) * ((p.n + v.cols - 1) / v.cols);
  (f32 ? v.toFloat : v.toBf16)<<<dim3(blocks, splits), v.threads, v.shared>>>(p);
  CHECK(cudaGetLastError());
}

int failures = 0;
double worst = 0;
int checked = 0;

// An element of the product and the sum of the absolute values that it is the sum of.
struct Expected {
  int row, col;
  double sum, size;
};

// One product by each kernel, in one part and in several; all outputs, or `samples` of them, against double sums.
// `extra` widens strides beyond the padding.
void check(int m, int n, int k, bool bias, bool accumulate, bool f32, int extra, int samples) {
  uint32_t seed = hash(m * 31 + n * 17 + k * 7 + bias * 3 + accumulate * 5 + f32);
  Matrix a(m, k, padded(k, 8) + extra, seed);
  Matrix w(n, k, padded(k, 8) + extra, seed + 1);
  Matrix b(1, n, padded(n, 8), seed + 2);
  Matrix before(m, n, padded(n, 8), seed + 3);
  int64_t ldo = padded(n, f32 ? 4 : 8) + extra;
  size_t size = f32 ? 4 : 2;
  Buffer out(m * ldo * size);
  std::vector<bf16> was = before.host(0, m);
  std::vector<unsigned char> start(m * ldo * size, 0xff);  // NaN in both types
  if (accumulate) {
    for (int r = 0; r < m; r++) {
      for (int c = 0; c < n; c++) {
        bf16 x = was[r * before.stride + c];
        if (f32) {
          reinterpret_cast<float*>(start.data())[r * ldo + c] = __bfloat162float(x);
        } else {
          reinterpret_cast<bf16*>(start.data())[r * ldo + c] = x;
        }
      }
    }
  }
  std::vector<bf16> ha = a.host(0, m), hw = w.host(0, n), hb = b.host(0, 1);
  std::vector<Expected> expected;
  auto expect = [&](int r, int c) {
    double sum = 0, size = 0;
    auto add = [&](double t) { sum += t, size += fabs(t); };
    for (int i = 0; i < k; i++) {
      add(static_cast<double>(__bfloat162float(ha[r * a.stride + i])) * __bfloat162float(hw[c * w.stride + i]));
    }
    if (bias) {
      add(__bfloat162float(hb[c]));
    }
    if (accumulate) {
      add(__bfloat162float(was[r * before.stride + c]));
    }
    expected.push_back({r, c, sum, size});
  };
  if (samples == 0) {
    for (int i = 0; i < m * n; i++) {
      expect(i / n, i % n);
    }
  }
  std::mt19937 random(seed);
  for (int i = 0; i < samples; i++) {
    expect(i % 4 == 0 ? m - 1 - random() % std::min(m, 130) : random() % m,
           i % 4 == 1 ? n - 1 - random() % std::min(n, 260) : random() % n);
  }
  const bf16* offsets = bias ? b.device() : nullptr;
  GemmParams p{a.device(), w.device(), offsets, out.data, a.stride, w.stride, ldo, m, n, k, accumulate};
  for (const Variant& v : variants()) {
    int done = 0;
    for (int wanted : {1, 2, 3, 8}) {
      int splits = parts(v, m, n, k, wanted);
      if (splits <= done) {
        continue;  // too large for the workspace, or the same parts again
      }
      done = splits;
      std::vector<unsigned char> first, got(out.bytes);
      for (int run = 0; run < 2; run++) {
        CHECK(cudaMemcpy(out.data, start.data(), start.size(), cudaMemcpyHostToDevice));
        launch(v, p, f32, splits);
        CHECK(cudaDeviceSynchronize());
        CHECK(cudaMemcpy(got.data(), out.data, got.size(), cudaMemcpyDeviceToHost));
        if (run == 0) {
          first = got;
        }
      }
      auto at = [&](const std::vector<unsigned char>& bytes, int r, int c) -> float {
        return f32 ? reinterpret_cast<const float*>(bytes.data())[r * ldo + c]
                   : __bfloat162float(reinterpret_cast<const bf16*>(bytes.data())[r * ldo + c]);
      };
      double bad = 0;
      std::string where;
      for (const Expected& e : expected) {
        // fp32 sums of k products, truncated by the tensor cores, then one rounding to eight bits: half of the last.
        double allowed = e.size * 2e-6 + (f32 || e.sum == 0 ? 0 : ldexp(1, std::ilogb(e.sum) - 8)) + 1e-30;
        double ratio = fabs(at(got, e.row, e.col) - e.sum) / allowed;
        if (!(ratio <= bad)) {
          bad = ratio;
          where = "[" + std::to_string(e.row) + ", " + std::to_string(e.col) +
                  "] = " + std::to_string(at(got, e.row, e.col)) + ", not " + std::to_string(e.sum);
        }
      }
      bool finite = true, same = true;
      for (int r = 0; r < m; r++) {
        for (int c = 0; c < n; c++) {
          finite &= std::isfinite(at(got, r, c));
          same &= at(first, r, c) == at(got, r, c);
        }
      }
      bool guard = out.guardIntact();
      bool ok = bad <= 1 && finite && same && guard;
      worst = std::max(worst, bad);
      checked++;
      failures += !ok;
      if (!ok && failures <= 20) {
        printf("WRONG %s/%d m=%d n=%d k=%d bias=%d accumulate=%d f32=%d extra=%d: %.3g of the bound at %s%s%s%s\n",
               v.name, splits, m, n, k, bias, accumulate, f32, extra, bad, where.c_str(), finite ? "" : ", not finite",
               same ? "" : ", runs differ", guard ? "" : ", wrote past the end");
      }
    }
  }
}

void checkAll(bool small) {
  std::vector<int> sizes = small ? std::vector<int>{1, 130} : std::vector<int>{1, 7, 63, 64, 65, 127, 129, 300};
  std::vector<int> depths = {200};
  if (!small) {
    depths.insert(depths.end(), {1, 65, 7, 8, 64, 128, 129, 300});
  }
  for (int m : sizes) {
    for (int n : sizes) {
      for (int k : depths) {
        int kind = hash(m * 1009 + n * 31 + k) % 8;
        check(m, n, k, kind & 1, kind & 2, kind & 4, kind == 5 ? 24 : 0, 0);
        check(m, n, k, ~kind & 1, ~kind & 2, ~kind & 4, 0, 0);
      }
    }
  }
  for (int kind = small ? 7 : 0; kind < 8; kind++) {
    check(257, 513, 193, kind & 1, kind & 2, kind & 4, 8, 0);
  }
  printf("%d products, %d wrong, worst %.3f of the bound\n", checked, failures, worst);
  if (small) {
    return;
  }
  const int shapes[][3] = {{2048, 6144, 4096}, {1000, 4096, 4096}, {257, 4096, 14336},
                           {1, 128256, 4096},  {129, 32001, 4096}, {33, 896, 4864}};
  for (const auto& s : shapes) {
    for (int kind : {0, 7}) {
      check(s[0], s[1], s[2], kind & 1, kind & 2, kind & 4, 0, 4000);
    }
  }
  printf("%d products with the large ones, %d wrong, worst %.3f of the bound\n", checked, failures, worst);
}

// The weights of a layer come from memory: what earlier work left in the L2 is overwritten before each turn, which
// also hides how long the host takes to launch.
double medianMs(const std::function<void()>& work) {
  constexpr size_t kFlushed = 192 << 20;
  static void* flushed = nullptr;
  if (flushed == nullptr) {
    CHECK(cudaMalloc(&flushed, kFlushed));
  }
  cudaEvent_t from, to;
  CHECK(cudaEventCreate(&from));
  CHECK(cudaEventCreate(&to));
  for (int i = 0; i < 2; i++) {
    work();
  }
  std::vector<float> ms;
  for (int i = 0; i < 9; i++) {
    CHECK(cudaMemsetAsync(flushed, i, kFlushed));
    CHECK(cudaEventRecord(from));
    work();
    CHECK(cudaEventRecord(to));
    CHECK(cudaEventSynchronize(to));
    float t;
    CHECK(cudaEventElapsedTime(&t, from, to));
    ms.push_back(t);
  }
  CHECK(cudaEventDestroy(from));
  CHECK(cudaEventDestroy(to));
  std::sort(ms.begin(), ms.end());
  return ms[ms.size() / 2];
}

using GemmEx = int (*)(void*, int, int, int, int, int, const void*, const void*, int, int, const void*, int, int,
                       const void*, void*, int, int, int, int);

void timeAll(const char* library, const std::vector<int>& rows) {
  GemmEx gemmEx = nullptr;
  void* handle = nullptr;
  if (void* lib = dlopen(library, RTLD_NOW | RTLD_GLOBAL)) {
    auto create = reinterpret_cast<int (*)(void**)>(dlsym(lib, "cublasCreate_v2"));
    if (create != nullptr && create(&handle) == 0) {
      gemmEx = reinterpret_cast<GemmEx>(dlsym(lib, "cublasGemmEx"));
    }
  }
  if (!gemmEx) {
    printf("no cuBLAS: %s\n", dlerror());
  }
  const int splits[] = {1, 2, 3, 4, 6, 8};
  printf("microseconds: cuBLAS, then each tile in 1, 2, 3, 4, 6 and 8 parts of k; best / cuBLAS; |difference|\n");
  struct Shape {
    const char* name;
    int n, k;
  };
  const Shape shapes[] = {{"qkv", 6144, 4096}, {"o", 4096, 4096}, {"gate_up", 28672, 4096}, {"down", 4096, 14336}};
  for (int m : rows) {
    for (const Shape& l : shapes) {
      Matrix a(m, l.k, l.k, 1), w(l.n, l.k, l.k, 2);
      Buffer out(static_cast<size_t>(m) * l.n * 2), reference(static_cast<size_t>(m) * l.n * 2);
      GemmParams p{a.device(), w.device(), nullptr, out.data, l.k, l.k, l.n, m, l.n, l.k, 0};
      double theirs = 0;
      if (gemmEx) {
        float one = 1, zero = 0;
        theirs = 1e3 * medianMs([&] {
                   int rc = gemmEx(handle, 1, 0, l.n, m, l.k, &one, w.device(), 14, l.k, a.device(), 14, l.k, &zero,
                                   reference.data, 14, l.n, 68, -1);
                   if (rc != 0) {
                     printf("cublasGemmEx: %d\n", rc);
                     exit(3);
                   }
                 });
      }
      printf("%s %d %.0f", l.name, m, theirs);
      double best = 1e30, difference = 0;
      std::vector<bf16> x(static_cast<size_t>(m) * l.n), y(x.size());
      CHECK(cudaMemcpy(y.data(), reference.data, y.size() * 2, cudaMemcpyDeviceToHost));
      for (const Variant& v : variants()) {
        printf(" %c", v.name[0]);
        for (int wanted : splits) {
          int real = parts(v, m, l.n, l.k, wanted);
          if (real != wanted || (m > 2048 && wanted > 2)) {
            printf(" -");
            continue;
          }
          CHECK(cudaMemset(out.data, 0xff, x.size() * 2));
          double us = 1e3 * medianMs([&] { launch(v, p, false, wanted); });
          best = std::min(best, us);
          printf(" %.0f", us);
          CHECK(cudaMemcpy(x.data(), out.data, x.size() * 2, cudaMemcpyDeviceToHost));
          double apart = 0, norm = 0;
          for (size_t i = 0; i < x.size(); i += 1 + x.size() / 100000) {
            double d = __bfloat162float(x[i]) - __bfloat162float(y[i]);
            apart += d * d;
            norm += static_cast<double>(__bfloat162float(y[i])) * __bfloat162float(y[i]);
          }
          difference = std::max(difference, sqrt(apart / norm));
        }
      }
      printf(" | %.2f %.1g\n", theirs / best, difference);
      fflush(stdout);
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  std::string what = count > 1 ? arguments[1] : "check";
  if (what == "time" && count > 3) {
    std::vector<int> rows;
    for (int i = 3; i < count; i++) {
      rows.push_back(atoi(arguments[i]));
    }
    timeAll(arguments[2], rows);
  } else {
    checkAll(what == "small");
  }
  CHECK(cudaDeviceSynchronize());
  return failures == 0 ? 0 : 1;
}
