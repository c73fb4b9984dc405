// Radix select by one block or many: which of a list of scores are the largest ones. The rule is
// TopK's: among equal scores the higher index wins.
//
// Scores become unsigned keys in their order, and the key of the last chosen one is found digit by
// digit (11 + 11 + 10 bits): histogram of a digit among the keys that share the digits before.
// Counts are integers, so the result does not depend on the order of blocks. NaN is noted, and then
// some choice is made all the same.
#pragma once

#include <cstdint>

namespace sparsefill {

constexpr int SELECT_THREADS = 256;
constexpr int WARPS = SELECT_THREADS / 32;
constexpr int PASSES = 3;
constexpr int BINS = 2048;

constexpr unsigned FORCED = 0xff800000u;  // the key of infinity

// Bits right of a pass's digit, and how many values the digit has.
__device__ __forceinline__ int shiftOf(int pass) { return pass == 0 ? 21 : pass == 1 ? 10 : 0; }
__device__ __forceinline__ int binsOf(int pass) { return pass == 2 ? BINS / 2 : BINS; }

// Larger scores have larger keys; both zeros have one. NaN has the least, so that what is forced
// stays so and the lists stay well formed until the error comes up.
__device__ __forceinline__ unsigned keyOf(float score) {
  if (isnan(score)) {
    return 0;
  }
  const unsigned bits = __float_as_uint(score + 0.f);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

// Notes the first score that is NaN: kind of scores, query head, index.
__device__ __forceinline__ void noteNan(
    unsigned long long* error, int kind, int head, int index) {
  atomicMin(error, ((unsigned long long)kind << 48) | ((unsigned long long)head << 32) |
      (unsigned)index);
}

// The digits found so far: keys above `prefix` (in the bits found) are chosen, and `need` of those
// that share it.
struct Threshold {
  unsigned prefix;
  int need;
};

// What a block needs to look for a digit.
struct Search {
  int warpSums[WARPS];
  Threshold found;
};

// Appends the digit of one pass to the threshold. All threads of the block call it.
__device__ __forceinline__ void findDigit(
    Search& search, Threshold& threshold, const int* histogram, int pass) {
  const int bins = binsOf(pass);
  const int each = bins / SELECT_THREADS;
  const int top = bins - 1 - threadIdx.x * each;  // this thread's bins go down from here
  int own = 0;
  for (int i = 0; i < each; i++) {
    own += histogram[top - i];
  }
  const int lane = threadIdx.x % 32;
  int sum = own;
#pragma unroll
  for (int step = 1; step < 32; step <<= 1) {
    const int below = __shfl_up_sync(0xffffffffu, sum, step);
    sum += lane >= step ? below : 0;
  }
  __syncthreads();  // the search may still be read from the call before
  if (lane == 31) {
    search.warpSums[threadIdx.x / 32] = sum;
  }
  __syncthreads();
  int above = sum - own;
  for (int warp = 0; warp < (int)threadIdx.x / 32; warp++) {
    above += search.warpSums[warp];
  }
  if (above < threshold.need && threshold.need <= above + own) {
    int i = 0;
    for (int count = histogram[top]; above + count < threshold.need; count = histogram[top - i]) {
      above += count;
      i++;
    }
    search.found.prefix = threshold.prefix << (pass == 2 ? 10 : 11) | (unsigned)(top - i);
    search.found.need = threshold.need - above;
  }
  __syncthreads();
  threshold = search.found;
}

}  // namespace sparsefill
