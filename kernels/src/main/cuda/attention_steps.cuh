// Which keys a block of the attention kernel computes, one after the other.
#pragma once

#include "tile_mma.cuh"

namespace sparsefill {

// Walks the runs of a query tile, then its columns. All threads of a block walk alike. Registers
// are short where this is used, so a step is one number: the key at which a key tile begins, or
// ~position of up to 64 single columns in the column list. Behind the last it is NONE, a tile of
// keys that no document has: it is filled with zeros, and no query sees it.
struct Steps {
  static constexpr int NONE = 1 << 30;
  static constexpr int COLUMNS = -1;

  int next;  // run; column once `left` is COLUMNS
  int end;   // of the runs, then of the columns
  int key;
  int left;  // tiles of the run

  // `row` says where the query tile's runs and columns lie.
  __device__ __forceinline__ explicit Steps(const int4& row)
      : next(row.x), end(row.x + row.y), key(0), left(0) {}

  // The same `row` is read again where the runs end.
  __device__ __forceinline__ int take(const int4* row, const int2* runs) {
    while (left == 0) {
      if (next == end) {
        left = COLUMNS;
        const int4 lists = *row;
        next = lists.z;
        end = lists.z + lists.w;
      } else {
        const int2 run = runs[next++];
        key = run.x;
        left = run.y;
      }
    }
    if (left > 0) {
      left--;
      key += TILE;
      return key - TILE;
    }
    if (next < end) {
      next += TILE;
      return ~(next - TILE);
    }
    return NONE;
  }

  static __device__ __forceinline__ bool gathers(int step) { return step < 0; }
};

// Key tiles that follow each other and are for both of two query tiles (`bands` 3), or for the
// lower (1) or the upper (2) alone.
struct Segment {
  int begin;  // key; -1 behind the last segment
  int end;    // key
  int bands;
};

// The runs of two neighbouring query tiles as one list of segments.
struct Segments {
  static constexpr int RUNS = 4;                // of a query tile at most
  static constexpr int MOST = 4 * RUNS + 1;     // with one of no tiles behind the last

  // Fills `list`, all warps alike. False where the two query tiles have so little in common that
  // they are better computed apart. The caller synchronises.
  static __device__ __forceinline__ bool join(
      const int4& lower, const int4& upper, const int2* runs, Segment* list) {
    if (lower.w != 0 || upper.w != 0 || lower.y > RUNS || upper.y > RUNS) {
      return false;
    }
    const int lane = threadIdx.x % 32;
    // Lanes from 0 on hold the lower tile's runs, lanes from 16 on the upper tile's.
    const bool present = lane % 16 < (lane < 16 ? lower.y : upper.y);
    const int2 run = present ? runs[(lane < 16 ? lower.x : upper.x) + lane % 16] : make_int2(0, 0);
    if (__any_sync(0xffffffffu, present && run.y == 0)) {
      return false;
    }
    int2 a = shuffle(run, 0);
    int2 b = shuffle(run, 16);
    int nextA = 1;
    int nextB = 17;
    int count = 0;
    int rounds = 0;
    int visits = 0;
    while (a.y > 0 || b.y > 0) {
      const int bands = b.y == 0 ? 1 : a.y == 0 ? 2 : a.x < b.x ? 1 : a.x > b.x ? 2 : 3;
      const int begin = bands == 2 ? b.x : a.x;
      int tiles = bands == 2 ? b.y : a.y;
      if (bands == 3) {
        tiles = min(tiles, b.y);
      } else if (a.y > 0 && b.y > 0 && (a.x - b.x) % TILE == 0) {
        tiles = min(tiles, abs(a.x - b.x) / TILE);  // the next one may be shared
      }
      rounds += tiles;
      visits += bands == 3 ? 2 * tiles : tiles;
      if (threadIdx.x == 0) {
        list[count] = {begin, begin + tiles * TILE, bands};
      }
      count++;
      if (bands & 1) {
        advance(a, tiles, run, nextA);
      }
      if (bands & 2) {
        advance(b, tiles, run, nextB);
      }
    }
    if (threadIdx.x == 0) {
      list[count] = {-1, -1, 0};
    }
    return 2 * rounds - visits <= visits / 8;
  }

 private:
  // Leaves the first tiles of what is left of a run, and goes on to the next run behind its end.
  static __device__ __forceinline__ void advance(
      int2& left, int tiles, const int2& run, int& next) {
    left.x += tiles * TILE;
    left.y -= tiles;
    if (left.y == 0) {
      left = shuffle(run, next++);
    }
  }

  static __device__ __forceinline__ int2 shuffle(const int2& run, int lane) {
    return make_int2(
        __shfl_sync(0xffffffffu, run.x, lane), __shfl_sync(0xffffffffu, run.y, lane));
  }
};

}  // namespace sparsefill
