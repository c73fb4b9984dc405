// Checks gemm.cu against double sums on the host and times it beside cuBLAS. Stands alone:
//
//   nvcc -O3 -std=c++17 -gencode=arch=compute_80,code=compute_80 -o gemm_test gemm_test.cu -ldl
//   ./gemm_test check             every odd size, strides, bias, accumulation, both outputs; then large samples
//   ./gemm_test small             a few of them, for compute-sanitizer
//   ./gemm_test time [LIBCUBLAS]  the shapes of Llama-3-8B
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
  Kernel bf16Out;
  int threads, shared, rows, cols;
};

template <class T>
__global__ void __launch_bounds__(T::kThreads, T::kThreads == 128 ? 2 : 1)
    variant(const __grid_constant__ GemmParams p) {
  gemm<T, bf16>(p);
}

template <class T>
Variant describe(const char* name) {
  CHECK(cudaFuncSetAttribute(variant<T>, cudaFuncAttributeMaxDynamicSharedMemorySize, T::kSharedBytes));
  return {name, variant<T>, T::kThreads, T::kSharedBytes, T::kRows, T::kCols};
}

void launch(const Variant& v, const GemmParams& p) {
  unsigned blocks = ((p.m + v.rows - 1) / v.rows) * ((p.n + v.cols - 1) / v.cols);
  v.bf16Out<<<blocks, v.threads, v.shared>>>(p);
  CHECK(cudaGetLastError());
}

Variant product(Kernel kernel) {
  CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, DeviceTile::kSharedBytes));
  return {"gemm", kernel, DeviceTile::kThreads, DeviceTile::kSharedBytes, DeviceTile::kRows, DeviceTile::kCols};
}

int failures = 0;
double worst = 0;
int checked = 0;

// One product; all outputs, or `samples` of them, against double sums. `extra` widens strides beyond the padding.
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
  const bf16* offsets = bias ? b.device() : nullptr;
  GemmParams p{a.device(), w.device(), offsets, out.data, a.stride, w.stride, ldo, m, n, k, accumulate};
  std::vector<unsigned char> first, got(out.bytes);
  for (int run = 0; run < 2; run++) {
    CHECK(cudaMemcpy(out.data, start.data(), start.size(), cudaMemcpyHostToDevice));
    launch(product(f32 ? gemm_f32 : gemm_bf16), p);
    CHECK(cudaDeviceSynchronize());
    CHECK(cudaMemcpy(got.data(), out.data, got.size(), cudaMemcpyDeviceToHost));
    if (run == 0) {
      first = got;
    }
  }
  auto at = [&](const std::vector<unsigned char>& v, int r, int c) -> float {
    return f32 ? reinterpret_cast<const float*>(v.data())[r * ldo + c]
               : __bfloat162float(reinterpret_cast<const bf16*>(v.data())[r * ldo + c]);
  };
  std::vector<bf16> ha = a.host(0, m), hw = w.host(0, n), hb = b.host(0, 1);
  double bad = 0;
  std::string where;
  auto one = [&](int r, int c) {
    double sum = 0, size = 0;
    for (int i = 0; i < k; i++) {
      double t = static_cast<double>(__bfloat162float(ha[r * a.stride + i])) * __bfloat162float(hw[c * w.stride + i]);
      sum += t;
      size += fabs(t);
    }
    if (bias) {
      double t = __bfloat162float(hb[c]);
      sum += t, size += fabs(t);
    }
    if (accumulate) {
      double t = __bfloat162float(was[r * before.stride + c]);
      sum += t, size += fabs(t);
    }
    // fp32 sums of k products, truncated by the tensor cores, then one rounding to eight bits: half of the last one.
    double allowed = size * 2e-6 + (f32 || sum == 0 ? 0 : ldexp(1, std::ilogb(sum) - 8)) + 1e-30;
    double ratio = fabs(at(got, r, c) - sum) / allowed;
    if (!(ratio <= bad)) {
      bad = ratio;
      where = "[" + std::to_string(r) + ", " + std::to_string(c) + "] = " + std::to_string(at(got, r, c)) + ", not " +
              std::to_string(sum);
    }
  };
  bool finite = true, same = true;
  for (int r = 0; r < m; r++) {
    for (int c = 0; c < n; c++) {
      finite &= std::isfinite(at(got, r, c));
      same &= at(first, r, c) == at(got, r, c);
    }
  }
  if (samples == 0) {
    for (int r = 0; r < m; r++) {
      for (int c = 0; c < n; c++) {
        one(r, c);
      }
    }
  } else {
    std::mt19937 random(seed);
    for (int i = 0; i < samples; i++) {
      one(i % 4 == 0 ? m - 1 - random() % std::min(m, 130) : random() % m,
          i % 4 == 1 ? n - 1 - random() % std::min(n, 260) : random() % n);
    }
  }
  bool guard = out.guardIntact();
  bool ok = bad <= 1 && finite && same && guard;
  worst = std::max(worst, bad);
  checked++;
  if (!ok) {
    failures++;
    if (failures <= 20) {
      printf("WRONG m=%d n=%d k=%d bias=%d accumulate=%d f32=%d extra=%d: %.3g of the bound at %s%s%s%s\n", m, n, k,
             bias, accumulate, f32, extra, bad, where.c_str(), finite ? "" : ", not finite",
             same ? "" : ", runs differ", guard ? "" : ", wrote past the end");
    }
  }
}

void checkAll(bool small) {
  std::vector<int> sizes = small ? std::vector<int>{1, 65, 130} : std::vector<int>{1, 7, 63, 64, 65, 127, 129, 300};
  std::vector<int> depths = {1, 65, 200};
  if (!small) {
    depths.insert(depths.end(), {7, 8, 64, 128, 129, 300});
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
  for (int kind = 0; kind < 8; kind++) {
    check(257, 513, 193, kind & 1, kind & 2, kind & 4, 8, 0);
  }
  printf("%d products, %d wrong, worst %.3f of the bound\n", checked, failures, worst);
  if (small) {
    return;
  }
  const int shapes[][3] = {{4096, 6144, 4096}, {1000, 4096, 4096},  {4097, 4096, 14336}, {2048, 28672, 4096},
                           {1, 128256, 4096},  {513, 32001, 4096}, {16384, 4096, 4096}, {33, 896, 4864}};
  for (const auto& s : shapes) {
    for (int kind = 0; kind < 8; kind += 3) {
      check(s[0], s[1], s[2], kind & 1, kind & 2, kind & 4, 0, 4000);
    }
  }
  printf("%d products with the large ones, %d wrong, worst %.3f of the bound\n", checked, failures, worst);
}

double medianMs(const std::function<void()>& work) {
  cudaEvent_t from, to;
  CHECK(cudaEventCreate(&from));
  CHECK(cudaEventCreate(&to));
  for (int i = 0; i < 2; i++) {
    work();
  }
  std::vector<float> ms;
  for (int i = 0; i < 9; i++) {
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

void timeAll(const char* library) {
  GemmEx gemmEx = nullptr;
  void* handle = nullptr;
  const char* names[] = {library, "libcublas.so.13", "libcublas.so.12", "/usr/local/cuda/lib64/libcublas.so"};
  for (const char* name : names) {
    void* lib = name ? dlopen(name, RTLD_NOW | RTLD_GLOBAL) : nullptr;
    if (lib) {
      auto create = reinterpret_cast<int (*)(void**)>(dlsym(lib, "cublasCreate_v2"));
      gemmEx = reinterpret_cast<GemmEx>(dlsym(lib, "cublasGemmEx"));
      int rc = create ? create(&handle) : -1;
      printf("cuBLAS: %s, create %d\n", name, rc);
      if (rc != 0) {
        gemmEx = nullptr;
      }
      break;
    }
  }
  if (!gemmEx) {
    printf("cuBLAS: not found (%s)\n", dlerror());
  }
  std::vector<Variant> variants = {
      product(gemm_bf16),
      describe<Tile<2, 4, 3, 8>>("strips of 8"),
      describe<Tile<2, 2, 3, 16>>("128x128"),
  };
  printf("%-34s %9s", "TFLOP/s", "cuBLAS");
  for (const Variant& v : variants) {
    printf(" %18s", v.name);
  }
  printf("   gemm/cuBLAS  |difference|\n");
  struct Shape {
    const char* name;
    int m, n, k;
  };
  std::vector<Shape> shapes;
  for (int m : {512, 4096, 8192, 16384}) {
    shapes.push_back({"qkv", m, 6144, 4096});
    shapes.push_back({"o", m, 4096, 4096});
    shapes.push_back({"gate_up", m, 28672, 4096});
    shapes.push_back({"down", m, 4096, 14336});
  }
  for (int m : {1, 64, 1024}) {
    shapes.push_back({"logits", m, 128256, 4096});
  }
  for (const Shape& l : shapes) {
    int m = l.m;
    Matrix a(m, l.k, l.k, 1), w(l.n, l.k, l.k, 2);
    Buffer out(static_cast<size_t>(m) * l.n * 2), reference(static_cast<size_t>(m) * l.n * 2);
    GemmParams p{a.device(), w.device(), nullptr, out.data, l.k, l.k, l.n, m, l.n, l.k, 0};
    double flop = 2.0 * m * l.n * l.k;
    double theirs = 0;
    if (gemmEx) {
      float one = 1, zero = 0;
      theirs = flop / 1e9 / medianMs([&] {
                 int rc = gemmEx(handle, 1, 0, l.n, m, l.k, &one, w.device(), 14, l.k, a.device(), 14, l.k, &zero,
                                 reference.data, 14, l.n, 68, -1);
                 if (rc != 0) {
                   printf("cublasGemmEx: %d\n", rc);
                   exit(3);
                 }
               });
    }
    char name[64];
    snprintf(name, sizeof(name), "%s m=%d n=%d k=%d", l.name, m, l.n, l.k);
    printf("%-34s %9.0f", name, theirs);
    double ours = 0;
    std::vector<bf16> x(static_cast<size_t>(m) * l.n), y(x.size());
    for (size_t i = 0; i < variants.size(); i++) {
      double rate = flop / 1e9 / medianMs([&] { launch(variants[i], p); });
      ours = i == 0 ? rate : ours;
      printf(" %18.0f", rate);
      if (i == 0) {
        CHECK(cudaMemcpy(x.data(), out.data, x.size() * 2, cudaMemcpyDeviceToHost));
      }
    }
    double difference = 0, norm = 0;
    if (gemmEx) {
      CHECK(cudaMemcpy(y.data(), reference.data, y.size() * 2, cudaMemcpyDeviceToHost));
      for (size_t i = 0; i < x.size(); i += 7) {
        double d = __bfloat162float(x[i]) - __bfloat162float(y[i]);
        difference += d * d;
        norm += static_cast<double>(__bfloat162float(y[i])) * __bfloat162float(y[i]);
      }
    }
    printf("   %.3f  %.2g\n", theirs > 0 ? ours / theirs : 0, norm > 0 ? sqrt(difference / norm) : -1);
    fflush(stdout);
  }
}

}  // namespace

int main(int count, char** arguments) {
  std::string what = count > 1 ? arguments[1] : "check";
  if (what == "time") {
    timeAll(count > 2 ? arguments[2] : nullptr);
  } else {
    checkAll(what == "small");
  }
  CHECK(cudaDeviceSynchronize());
  return failures == 0 ? 0 : 1;
}
