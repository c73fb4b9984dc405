// The arithmetic of one warp of the attention kernel: 32 rows, in two bands of 16, over one 64-key
// tile at a time, with the online softmax between the two products.
#pragma once

#include "tile_mma.cuh"

namespace sparsefill {

constexpr int BANDS = 2;      // of 16 rows, the height of a product
constexpr int LANE_ROWS = 4;  // rows of which a lane holds a part: r is band r / 2, half r % 2
constexpr int DEPTH = 16;     // of a product

// The base of a row that has seen no key yet. Every score is above it, since the factor on products
// is below a half; the weight of a masked score, -inf, is 0 relative to it.
constexpr float LOWEST = -1.7e38f;

// How far scores may rise above the base of their row, in base-2 terms, before it is moved: weights
// of 2^8 are as exact as those below 1, and sums of them far from the end of fp32. Without it,
// nearly every step of a short document would move the base of some row.
constexpr float SLACK = 8.f;

using Scores = float[BANDS][TILE / 8][4];

// s = q k^T for the keys of a tile. Band b of the warp is the 16 rows from `queryRow` + b * APART
// on of what lies at `queries`.
template <class Layout, int APART>
__device__ __forceinline__ void score(
    Scores& s, uint32_t queries, unsigned queryRow, uint32_t keys) {
  const unsigned lane = (unsigned)threadNow() % 32;
  // Queries: matrices in the order (rows 0-7, dims 0-7), (rows 8-15, dims 0-7), then dims 8-15
  // likewise. Keys: (keys 0-7, dims 0-7), (keys 0-7, dims 8-15), then keys 8-15 likewise.
  const unsigned row = queryRow + lane % 16;
  const unsigned piece = Layout::place(row, lane / 16);
  const unsigned keyRow = (lane / 16) * 8 + lane % 8;
  const unsigned keyPiece = Layout::place(keyRow, lane / 8 % 2);
  const uint32_t queryBase = queries + row * Layout::ROW_BYTES;
  const uint32_t keyBase = keys + keyRow * Layout::ROW_BYTES;
#pragma unroll
  for (int band = 0; band < BANDS; band++) {
#pragma unroll
    for (int n = 0; n < TILE / 8; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        s[band][n][i] = 0.f;
      }
    }
  }
#pragma unroll
  for (int step = 0; step < 8 * Layout::CHUNKS / DEPTH; step++) {
    uint32_t a[BANDS][4];
#pragma unroll
    for (int band = 0; band < BANDS; band++) {
      loadMatrices(a[band], queryBase + band * APART * Layout::ROW_BYTES +
                                Layout::move(piece, 2 * step) * 16);
    }
#pragma unroll
    for (int n = 0; n < TILE / 8; n += 2) {
      uint32_t b[4];
      loadMatrices(
          b, keyBase + 8 * n * Layout::ROW_BYTES + Layout::move(keyPiece, 2 * step) * 16);
#pragma unroll
      for (int band = 0; band < BANDS; band++) {
        multiply(s[band][n], a[band], b[0], b[1]);
        multiply(s[band][n + 1], a[band], b[2], b[3]);
      }
    }
  }
}

// A lane's part of the output of its rows.
template <int D>
struct Output {
  float o[BANDS][D / 8][4];
  float base[LANE_ROWS];  // what weights are relative to: 2^(score - base), scores in base-2 terms
  float sum[LANE_ROWS];   // of the weights of this lane's columns

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int band = 0; band < BANDS; band++) {
#pragma unroll
      for (int n = 0; n < D / 8; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          o[band][n][i] = 0.f;
        }
      }
    }
#pragma unroll
    for (int r = 0; r < LANE_ROWS; r++) {
      base[r] = LOWEST;
      sum[r] = 0.f;
    }
  }

  // Moves the bases of the rows to their largest scores, if any is far above its base.
  __device__ __forceinline__ void raise(const Scores& s, float scaleLog2) {
    // The rows go side by side: one row alone would wait for each of its own results.
    float best[LANE_ROWS];
#pragma unroll
    for (int r = 0; r < LANE_ROWS; r++) {
      best[r] = fmaxf(s[r / 2][0][2 * (r % 2)], s[r / 2][0][2 * (r % 2) + 1]);
    }
#pragma unroll
    for (int n = 1; n < TILE / 8; n++) {
#pragma unroll
      for (int r = 0; r < LANE_ROWS; r++) {
        const float* pair = &s[r / 2][n][2 * (r % 2)];
        best[r] = fmaxf(best[r], fmaxf(pair[0], pair[1]));
      }
    }
    bool above = false;
#pragma unroll
    for (int r = 0; r < LANE_ROWS; r++) {
      above |= fmaf(best[r], scaleLog2, -base[r]) > SLACK;
    }
    if (!__any_sync(0xffffffffu, above)) {
      return;
    }
#pragma unroll
    for (int r = 0; r < LANE_ROWS; r++) {
      best[r] = quadMax(best[r]);
    }
    float factor[LANE_ROWS];
#pragma unroll
    for (int r = 0; r < LANE_ROWS; r++) {
      const float larger = fmaxf(base[r], best[r] * scaleLog2);
      factor[r] = exp2Fast(base[r] - larger);
      base[r] = larger;
      sum[r] *= factor[r];
    }
#pragma unroll
    for (int band = 0; band < BANDS; band++) {
#pragma unroll
      for (int n = 0; n < D / 8; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          o[band][n][i] *= factor[2 * band + i / 2];
        }
      }
    }
  }

  // Turns the scores of 16 keys into weights, as left operands of the second product.
  __device__ __forceinline__ void weigh(
      uint32_t (&weights)[BANDS][4], const Scores& s, int part, float scaleLog2) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
      for (int band = 0; band < BANDS; band++) {
        const int r = 2 * band + i % 2;
        const float* pair = &s[band][2 * part + i / 2][2 * (i % 2)];
        const float low = exp2Fast(fmaf(pair[0], scaleLog2, -base[r]));
        const float high = exp2Fast(fmaf(pair[1], scaleLog2, -base[r]));
        sum[r] += low + high;
        weights[band][i] = packPair(low, high);
      }
    }
  }

  // o += weights v for the values of a tile. The weights of 16 keys are made while the product of
  // the 16 before them is under way.
  template <class Layout>
  __device__ __forceinline__ void add(const Scores& s, float scaleLog2, uint32_t values) {
    const unsigned lane = (unsigned)threadNow() % 32;
    // Matrices in the order (keys 0-7, dims 0-7), (keys 8-15, dims 0-7), then dims 8-15 likewise.
    const unsigned row = lane % 16;
    const unsigned piece = Layout::place(row, lane / 16);
    const uint32_t base = values + row * Layout::ROW_BYTES;
    uint32_t weights[2][BANDS][4];
    weigh(weights[0], s, 0, scaleLog2);
#pragma unroll
    for (int part = 0; part < TILE / DEPTH; part++) {
      if (part + 1 < TILE / DEPTH) {
        weigh(weights[(part + 1) % 2], s, part + 1, scaleLog2);
      }
#pragma unroll
      for (int n = 0; n < D / 8; n += 2) {
        uint32_t b[4];
        loadMatricesTransposed(
            b, base + DEPTH * part * Layout::ROW_BYTES + Layout::move(piece, n) * 16);
#pragma unroll
        for (int band = 0; band < BANDS; band++) {
          multiply(o[band][n], weights[part % 2][band], b[0], b[1]);
          multiply(o[band][n + 1], weights[part % 2][band], b[2], b[3]);
        }
      }
    }
  }

  // Hands everything to the thread of the same place of the other team of TEAM threads,
  // one bank for each lane.
  template <int TEAM>
  __device__ __forceinline__ void store(float* results) const {
    results += threadIdx.x % TEAM;
#pragma unroll
    for (int r = 0; r < LANE_ROWS; r++) {
      results[2 * r * TEAM] = base[r];
      results[(2 * r + 1) * TEAM] = sum[r];
    }
#pragma unroll
    for (int i = 0; i < BANDS * D / 2; i++) {
      results[(2 * LANE_ROWS + i) * TEAM] = o[i / (D / 2)][i / 4 % (D / 8)][i % 4];
    }
  }

  // Joins what the other team stored.
  template <int TEAM>
  __device__ __forceinline__ void join(const float* results) {
    results += threadIdx.x % TEAM;
    float own[LANE_ROWS];
    float other[LANE_ROWS];
#pragma unroll
    for (int r = 0; r < LANE_ROWS; r++) {
      const float otherBase = results[2 * r * TEAM];
      const float larger = fmaxf(base[r], otherBase);
      own[r] = exp2Fast(base[r] - larger);
      other[r] = exp2Fast(otherBase - larger);
      sum[r] = sum[r] * own[r] + results[(2 * r + 1) * TEAM] * other[r];
    }
#pragma unroll
    for (int i = 0; i < BANDS * D / 2; i++) {
      const int r = 2 * (i / (D / 2)) + i % 4 / 2;
      float& value = o[i / (D / 2)][i / 4 % (D / 8)][i % 4];
      value = value * own[r] + results[(2 * LANE_ROWS + i) * TEAM] * other[r];
    }
  }
};

}  // namespace sparsefill
