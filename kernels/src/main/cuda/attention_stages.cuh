// How the warpgroups of an attention block of sm_90a hand tiles to each other: a ring of stages in
// shared memory, each with a barrier that says it is filled and one that says it is free.
#pragma once

#include "attention_params.cuh"
#include "wgmma.cuh"

// Outside a namespace, and the same for every kernel of a file.
extern __shared__ __align__(1024) unsigned char memory[];

namespace sparsefill {

// A barrier that completes a phase after `arrivals` arrivals.
__device__ __forceinline__ void initBarrier(uint32_t barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;\n" ::"r"(barrier), "r"(arrivals)
               : "memory");
}

__device__ __forceinline__ void arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];\n" ::"r"(barrier) : "memory");
}

// Arrives when all copies that this thread has begun so far are done.
__device__ __forceinline__ void arriveAfterCopies(uint32_t barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];\n" ::"r"(barrier) : "memory");
}

// Waits for the end of the phase of that parity.
__device__ __forceinline__ void waitForPhase(uint32_t barrier, uint32_t parity) {
  uint32_t done;
  do {
    asm volatile(
        "{\n.reg .pred done;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 done, [%1], %2;\n"
        "selp.b32 %0, 1, 0, done;\n}\n"
        : "=r"(done)
        : "r"(barrier), "r"(parity)
        : "memory");
  } while (!done);
}

constexpr int TILES = 2;   // query tiles of a block
constexpr int STAGES = 6;  // what shared memory has room for with D = 128

// Stages of (K tile, V tile), then of each stage: the keys of gathered columns, the step, and the
// barriers that say it is filled and free.
template <int D>
struct Ring {
  static constexpr int TILE_BYTES = (D + 63) / 64 * HALF_BYTES;
  static constexpr int KEYS = STAGES * 2 * TILE_BYTES;
  static constexpr int STEPS = KEYS + STAGES * TILE * (int)sizeof(int);
  static constexpr int FILLED = STEPS + STAGES * (int)sizeof(int);
  static constexpr int FREE = FILLED + STAGES * 8;
  static constexpr int BYTES = FREE + STAGES * 8;

  __device__ static __forceinline__ uint32_t keyTile(int slot) {
    return sharedAddress(memory) + slot * 2 * TILE_BYTES;
  }

  __device__ static __forceinline__ uint32_t valueTile(int slot) {
    return keyTile(slot) + TILE_BYTES;
  }

  __device__ static __forceinline__ int* keys(int slot) {
    return reinterpret_cast<int*>(memory + KEYS) + slot * TILE;
  }

  // 4 times the first key, or -4 for gathered columns, and in the low bits which of the query tiles
  // use it; none at the end.
  __device__ static __forceinline__ int* step(int slot) {
    return reinterpret_cast<int*>(memory + STEPS) + slot;
  }

  __device__ static __forceinline__ uint32_t filled(int slot) {
    return sharedAddress(memory) + FILLED + slot * 8;
  }

  __device__ static __forceinline__ uint32_t free(int slot) {
    return sharedAddress(memory) + FREE + slot * 8;
  }
};

// The slot of a stage, by its number in the order of all steps.
__device__ __forceinline__ int slotOf(unsigned stage) { return stage % STAGES; }

// The parity of the phase that ends when that stage is filled; the one before ends when it is free.
__device__ __forceinline__ uint32_t parityOf(unsigned stage) { return stage / STAGES % 2; }

}  // namespace sparsefill
