// Pointwise: y = act(W·x + b + r) over the pixels of a plain image, a product of matrices.
//
// W is read where the runtime keeps it, for an order of our own would be a second copy of the weights in memory. Whole
// vectors of pixels are computed with one weight times a vector of pixels, of TILE_ROWS rows of W at a time; the few
// pixels that are left, or the only one, are columns of pointwise_columns.h: no lane is wasted on the edge of a 7x7 map.
//
// Many input channels are taken DEPTH at a time, so that a tile of them stays in the first cache for all rows; between
// times the sums wait in y, whose residual they have in them from the start, since it may lie in the same memory. To copy
// a tile's pixels together first was slower on every shape that was tried.
#pragma once
#include "pointwise_columns.h"

static int panels_of(const gnl_pointwise *p) { return (p->out_channels + PANEL - 1) / PANEL; }

// Large maps are split by their pixels, small ones by panels of output channels.
static int by_pixels(size_t pixels, int bands) { return pixels / TILE_PIXELS >= (size_t)bands; }

static int pointwise_bands(const gnl_pointwise *p, size_t pixels) {
  size_t bands = (size_t)p->in_channels * (size_t)p->out_channels * pixels / BAND_PRODUCTS + 1;
  if (bands > MOST_BANDS) bands = MOST_BANDS;
  if (by_pixels(pixels, (int)bands) || bands <= (size_t)panels_of(p)) return (int)bands;
  return panels_of(p);
}

static size_t pointwise_scratch(const gnl_pointwise *p, size_t pixels, int bands) {
  (void)p, (void)bands;
  return columns_floats(pixels) * sizeof(float);
}

INLINE void write_rows(int activation, int vectors, const V sums[TILE_ROWS][TILE_VECTORS], float *y, size_t pixels,
                       int rows) {
  UNROLL for (int r = 0; r < TILE_ROWS; r++)
    UNROLL for (int v = 0; v < vectors; v++)
      if (r < rows) st(y + (size_t)r * pixels + v * LANES, activate(activation, sums[r][v]));
}

// An activation that is dear to compute is done in place, one copy of it for all tiles.
APART void write_dear(int activation, int vectors, float *y, size_t pixels, int rows) {
  for (int r = 0; r < rows && r < TILE_ROWS; r++)
    for (int v = 0; v < vectors; v++) {
      float *at = y + (size_t)r * pixels + v * LANES;
      st(at, activate(activation, ld(at)));
    }
}

INLINE void write_tile(int activation, int vectors, const V sums[TILE_ROWS][TILE_VECTORS], float *y, size_t pixels,
                       int rows) {
  switch (activation) {
    case GNL_RELU: write_rows(GNL_RELU, vectors, sums, y, pixels, rows); return;
    case GNL_RELU6: write_rows(GNL_RELU6, vectors, sums, y, pixels, rows); return;
    case GNL_HARDSWISH: write_rows(GNL_HARDSWISH, vectors, sums, y, pixels, rows); return;
    default: write_rows(GNL_NONE, vectors, sums, y, pixels, rows);
  }
  if (activation != GNL_NONE) write_dear(activation, vectors, y, pixels, rows);
}

// sums[r][v] += the `steps` weights of row r at `weights[r]` times as many inputs.
INLINE void multiply(const float *const weights[TILE_ROWS], size_t k, int steps, const float *x, size_t stride, int vectors,
                     V sums[TILE_ROWS][TILE_VECTORS]) {
  V of_row[TILE_ROWS], pixels[TILE_VECTORS];
  UNROLL for (int r = 0; r < TILE_ROWS; r++)
    of_row[r] = steps == LANES ? ld(weights[r] + k) : set1(weights[r][k]);
  UNROLL for (int i = 0; i < steps; i++) {
    UNROLL for (int v = 0; v < vectors; v++) pixels[v] = ld(x + (size_t)i * stride + v * LANES);
    UNROLL for (int r = 0; r < TILE_ROWS; r++)
      UNROLL for (int v = 0; v < vectors; v++)
        sums[r][v] = vfma(steps == LANES ? set1(of_row[r][i]) : of_row[r], pixels[v], sums[r][v]);
  }
}

// What the sums of a tile begin with: the bias and the residual, or what waits in y.
INLINE void begin_rows(const product *p, const depth *d, int vectors, int row, int rows, V sums[TILE_ROWS][TILE_VECTORS]) {
  const size_t at = (size_t)row * p->pixels + d->pixel;
  const float *bias = p->bias + row, *waiting = d->first > 0 ? p->y + at : p->residual == NULL ? NULL : p->residual + at;
  UNROLL for (int r = 0; r < TILE_ROWS; r++)
    UNROLL for (int v = 0; v < vectors; v++) sums[r][v] = set1(d->first > 0 ? 0 : bias[r < rows ? r : 0]);
  if (waiting != NULL)
    UNROLL for (int r = 0; r < TILE_ROWS; r++)
      UNROLL for (int v = 0; v < vectors; v++)
        if (r < rows) sums[r][v] += ld(waiting + (size_t)r * p->pixels + v * LANES);
}

// TILE_ROWS output channels of some vectors of pixels. Where fewer are left, the last is computed again and not stored.
INLINE void rows_tile(const product *p, const depth *d, int vectors, int row) {
  const int rows = p->of->out_channels - row, whole = d->last == p->of->in_channels;
  const size_t in = (size_t)p->of->in_channels;
  const float *weights[TILE_ROWS], *x = d->x;
  V sums[TILE_ROWS][TILE_VECTORS];
  UNROLL for (int r = 0; r < TILE_ROWS; r++) weights[r] = p->weight + (size_t)row * in + (size_t)r * in;
  if (rows < TILE_ROWS)
    UNROLL for (int r = 1; r < TILE_ROWS; r++)
      if (r >= rows) weights[r] = weights[r - 1];
  begin_rows(p, d, vectors, row, rows, sums);
  int k = d->first;
  for (; k + STEP <= d->last; k += STEP, x += STEP * p->pixels)
    multiply(weights, (size_t)k, STEP, x, p->pixels, vectors, sums);
  for (; STEP > 1 && k < d->last; k++, x += p->pixels)
    multiply(weights, (size_t)k, 1, x, p->pixels, vectors, sums);
  write_tile(whole ? p->of->activation : GNL_NONE, vectors, sums, p->y + (size_t)row * p->pixels + d->pixel, p->pixels, rows);
}

INLINE void rows_of(const product *p, const depth *d, int vectors, int panel) {
  const int first = panel * PANEL, end = first + PANEL, out = p->of->out_channels, last = end < out ? end : out;
  for (int row = first; row < last; row += TILE_ROWS) rows_tile(p, d, vectors, row);
}

#define ROWS_OF(n)                                                        \
  APART void rows_of_##n(const product *p, const depth *d, int panel) {   \
    rows_of(p, d, n < TILE_VECTORS ? n : TILE_VECTORS, panel);            \
  }
ROWS_OF(1)
ROWS_OF(2)
ROWS_OF(3)  // no tile is longer
#undef ROWS_OF

static void some_rows(const product *p, const depth *d, int vectors, int panel) {
  static void (*const by_vectors[])(const product *, const depth *, int) = {rows_of_1, rows_of_2, rows_of_3};
  if (vectors > 0) by_vectors[vectors - 1](p, d, panel);
}

static void advance(depth *d, const product *p) {
  const int left = p->of->in_channels - d->last;
  d->x += (size_t)(d->last - d->first) * p->pixels;
  d->first = d->last;
  d->last += left < MOST_DEPTH || p->pixels == 1 ? left : DEPTH;
}

// All output channels of the band for some vectors of pixels, and for `points` pixels behind them.
static void pointwise_tile(const product *p, size_t pixel, int vectors, int points) {
  depth d = {p->x + pixel, pixel, 0, 0};
  while (d.last < p->of->in_channels) {
    advance(&d, p);
    gather(p, &d, vectors * LANES, points);
    for (int panel = p->first_panel; panel < p->last_panel; panel++) {
      some_rows(p, &d, vectors, panel);
      some_columns(p, &d, pixel + (size_t)vectors * LANES, points, panel);
    }
  }
}

// Where few channels come in, a panel takes several tiles in a row, so that it writes long pieces of its maps.
static size_t pointwise_runs(const product *p, size_t pixel, size_t last) {
  const size_t most = RUN_FLOATS / TILE_PIXELS / (size_t)p->of->in_channels;
  while (most > 1 && last - pixel >= TILE_PIXELS) {
    const size_t left = (last - pixel) / TILE_PIXELS, count = left < most ? left : most;
    for (int panel = p->first_panel; panel < p->last_panel; panel++)
      for (size_t i = 0, at = pixel; i < count; i++, at += TILE_PIXELS)
        some_rows(p, &(depth){p->x + at, at, 0, p->of->in_channels}, TILE_VECTORS, panel);
    pixel += count * TILE_PIXELS;
  }
  return pixel;
}

static void pointwise_tiles(const product *p, size_t pixel, size_t last) {
  pixel = pointwise_runs(p, pixel, last);
  while (pixel < last) {
    const size_t left = (last - pixel) / LANES, vectors = left < TILE_VECTORS ? left : TILE_VECTORS;
    const size_t behind = last - pixel - vectors * LANES, points = behind < LANES ? behind : 0;
    pointwise_tile(p, pixel, (int)vectors, (int)points);
    pixel += vectors * LANES + points;
  }
}

static void pointwise_band(const gnl_pointwise *of, size_t pixels, int bands, const float *weight, const float *bias,
                           const float *x, const float *residual, float *y, int band, void *scratch) {
  product p = {of, pixels, weight, bias, x, residual, y, 0, panels_of(of), scratch};
  if (by_pixels(pixels, bands)) {
    const size_t whole = pixels / TILE_PIXELS, first = whole * (size_t)band / (size_t)bands * TILE_PIXELS;
    const size_t last = whole * ((size_t)band + 1) / (size_t)bands * TILE_PIXELS;
    pointwise_tiles(&p, first, band + 1 == bands ? pixels : last);
    return;
  }
  p.first_panel = panels_of(of) * band / bands, p.last_panel = panels_of(of) * (band + 1) / bands;
  pointwise_tiles(&p, 0, pixels);
}

static const gnl_pointwise_kernels pointwise_kernels = {
    .bands = pointwise_bands,
    .scratch_bytes = pointwise_scratch,
    .band = pointwise_band,
};
