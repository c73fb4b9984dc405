// What the launches of attention take, on every GPU.
#pragma once

#include <cstddef>

#include "tile_mma.cuh"

using sparsefill::bf16;

// Mirrored by a record on the Java side; `attention_layout` lets a test compare the offsets.
struct AttentionParams {
  const bf16* q;
  const bf16* k;
  const bf16* v;
  bf16* out;
  const int4* rows;      // [headCount][queryTiles]: first run, runs, first column, columns
  const int2* runs;      // first key, number of 64-key tiles
  const int* columns;    // key
  const int* headList;   // [headCount]: which query heads this launch computes
  unsigned long long* error;
  int64_t ldq;
  int64_t ldk;
  int64_t ldv;
  int64_t ldo;
  int tokens;
  int heads;
  int kvHeads;
  int headCount;
  int firstTile;
  int queryTiles;
  int window;
  float scaleLog2;
};

extern "C" {
__constant__ int attention_layout[] = {
    (int)sizeof(AttentionParams),
    (int)offsetof(AttentionParams, q),
    (int)offsetof(AttentionParams, k),
    (int)offsetof(AttentionParams, v),
    (int)offsetof(AttentionParams, out),
    (int)offsetof(AttentionParams, rows),
    (int)offsetof(AttentionParams, runs),
    (int)offsetof(AttentionParams, columns),
    (int)offsetof(AttentionParams, headList),
    (int)offsetof(AttentionParams, error),
    (int)offsetof(AttentionParams, ldq),
    (int)offsetof(AttentionParams, ldk),
    (int)offsetof(AttentionParams, ldv),
    (int)offsetof(AttentionParams, ldo),
    (int)offsetof(AttentionParams, tokens),
    (int)offsetof(AttentionParams, heads),
    (int)offsetof(AttentionParams, kvHeads),
    (int)offsetof(AttentionParams, headCount),
    (int)offsetof(AttentionParams, firstTile),
    (int)offsetof(AttentionParams, queryTiles),
    (int)offsetof(AttentionParams, window),
    (int)offsetof(AttentionParams, scaleLog2)};
}
