// Single pixels of a pointwise product: rows of W times columns of x, LANES input channels at a time. One pixel alone is
// a product of matrix and vector.
#pragma once
#include "functions.h"

// Sums and inputs of a tile fill the registers and no more: a sum that does not fit goes to memory at every step. STEP
// weights of a row are loaded at a time: on NEON a lane of a vector is free to multiply with.
#if LANES == 16
enum { TILE_ROWS = 8, TILE_VECTORS = 3, DEPTH = 128, STEP = 1, PANEL = 16 };
#elif LANES == 8
enum { TILE_ROWS = 6, TILE_VECTORS = 2, DEPTH = 256, STEP = 1, PANEL = 24 };
#elif defined(__aarch64__)
enum { TILE_ROWS = 8, TILE_VECTORS = 2, DEPTH = 256, STEP = LANES, PANEL = 16 };
#else
enum { TILE_ROWS = 4, TILE_VECTORS = 3, DEPTH = 256, STEP = 1, PANEL = 8 };
#endif
enum {
  TILE_PIXELS = TILE_VECTORS * LANES,
  MOST_DEPTH = DEPTH + DEPTH / 2,  // less than that is taken at once
  RUN_FLOATS = 4096,        // of input that stay in the first cache beside all else
  BAND_PRODUCTS = 1 << 19,  // multiply-adds that are worth a band
  MOST_BANDS = 8
};

typedef struct {
  const gnl_pointwise *of;
  size_t pixels;
  const float *weight, *bias, *x, *residual;
  float *y;
  int first_panel, last_panel;
  float *columns;  // scratch
} product;

// Part of a tile: input channels first … last − 1, the first of which is at x.
typedef struct {
  const float *x;
  size_t pixel;
  int first, last;
} depth;

// Rows times columns of a tile, as many as hide how long a multiply-add lasts.
#if LANES == 16 || defined(__aarch64__)
enum { SUMS = 16 };
#else
enum { SUMS = 8 };
#endif
enum { POINTS = 4 };  // columns of a tile, while as many are left

// Room for the columns of a tile, which are not together in x unless there is one pixel alone.
static size_t columns_floats(size_t pixels) { return pixels == 1 ? 0 : pixels % LANES * MOST_DEPTH; }

static void gather(const product *p, const depth *d, int behind, int points) {
  for (int i = 0; i < points && p->pixels > 1; i++) {
    const float *x = d->x + behind + i;
    float *column = p->columns + i * MOST_DEPTH;
    for (int k = 0; k < d->last - d->first; k++) column[k] = x[(size_t)k * p->pixels];
  }
}

// sums[j] = the sum of the lanes of v[j]: those of two vectors take the place of one, over and over.
INLINE void sum_lanes(V v[SUMS], float sums[SUMS + LANES]) {
  int count = SUMS;
  UNROLL for (int width = LANES; width > 1; width /= 2) {
    const int next = count > 1;
    count = count > 1 ? count / 2 : 1;
    UNROLL for (int j = 0; j < count; j++)
      v[j] = shuffle_even(v[2 * j], v[2 * j + next]) + shuffle_odd(v[2 * j], v[2 * j + next]);
  }
  UNROLL for (int j = 0; j < count; j++) st(sums + j * LANES, v[j]);
}

// Sum j is of row j / points and of pixel j mod points; `rows` of them are there.
INLINE void write_columns(const product *p, const depth *d, float *sums, int points, int row, int rows, size_t pixel) {
  const size_t at = (size_t)row * p->pixels + pixel;
  const float *waiting = d->first > 0 ? p->y : p->residual, *bias = p->bias + row;
  float more[SUMS + LANES] = {0};
  if (waiting != NULL)
    UNROLL for (int r = 0; r < SUMS / points; r++)
      if (r < rows) memcpy(more + r * points, waiting + at + (size_t)r * p->pixels, (size_t)points * sizeof(float));
  if (d->first == 0)
    UNROLL for (int j = 0; j < SUMS; j++)
      if (j / points < rows) more[j] += bias[j / points];
  for (int j = 0; j < SUMS; j += LANES) {
    const V all = ld(sums + j) + ld(more + j);
    st(sums + j, d->last == p->of->in_channels ? activate(p->of->activation, all) : all);
  }
  UNROLL for (int r = 0; r < SUMS / points; r++)
    if (r < rows) memcpy(p->y + at + (size_t)r * p->pixels, sums + r * points, (size_t)points * sizeof(float));
}

// SUMS / points output channels, where fewer are left the last again, of pixels whose columns are at x.
INLINE void columns_tile(const product *p, const depth *d, const float *x, int points, int row, int left, size_t pixel) {
  const int count = SUMS / points, rows = left < count ? left : count, in = d->last - d->first;
  const float *weights[SUMS];
  V sums[SUMS] = {0};
  UNROLL for (int r = 0; r < count; r++)
    weights[r] = p->weight + (size_t)(row + (r < rows ? r : rows - 1)) * (size_t)p->of->in_channels + d->first;
  int k = 0;
  for (; k + LANES <= in; k += LANES)
    UNROLL for (int r = 0; r < count; r++)
      UNROLL for (int i = 0; i < points; i++)
        sums[r * points + i] = vfma(ld(weights[r] + k), ld(x + i * MOST_DEPTH + k), sums[r * points + i]);
  if (k < in)
    UNROLL for (int r = 0; r < count; r++)
      UNROLL for (int i = 0; i < points; i++)
        sums[r * points + i] = vfma(ld_part(weights[r] + k, in - k), ld_part(x + i * MOST_DEPTH + k, in - k),
                                    sums[r * points + i]);
  float outputs[SUMS + LANES];
  sum_lanes(sums, outputs);
  if (rows == count) write_columns(p, d, outputs, points, row, count, pixel);
  else write_columns(p, d, outputs, points, row, rows, pixel);
}

INLINE void columns_of(const product *p, const depth *d, const float *x, int points, int panel, size_t pixel) {
  const int first = panel * PANEL, end = first + PANEL, out = p->of->out_channels, last = end < out ? end : out;
  for (int row = first; row < last; row += SUMS / points) columns_tile(p, d, x, points, row, last - row, pixel);
}
APART void columns_of_4(const product *p, const depth *d, const float *x, int panel, size_t pixel) {
  columns_of(p, d, x, POINTS, panel, pixel);
}
APART void columns_of_1(const product *p, const depth *d, const float *x, int panel, size_t pixel) {
  columns_of(p, d, x, 1, panel, pixel);
}

static void some_columns(const product *p, const depth *d, size_t pixel, int points, int panel) {
  const float *x = p->pixels == 1 ? p->x : p->columns;
  for (int i = 0; i < points; i += points - i < POINTS ? 1 : POINTS)
    (points - i < POINTS ? columns_of_1 : columns_of_4)(p, d, x + i * MOST_DEPTH, panel, pixel + (size_t)i);
}
