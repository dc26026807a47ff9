// Pointwise: y = act(W·x + b + r) over the pixels of a plain image, a product of matrices.
//
// W is packed in panels of PANEL output channels: PANEL biases, then for each input channel its PANEL weights. The same
// panels serve two ways to compute a tile. Whole vectors of pixels are computed with one weight times a vector of pixels
// (`rows`), and the few pixels that are left, or the only one, with a vector of weights times one pixel (`columns`): no
// lane is wasted on the edge of a 7x7 map, and one pixel is a product of matrix and vector that reads W once, in order.
//
// Many input channels are taken DEPTH at a time, so that a tile of them stays in the first cache for all panels; between
// times the sums wait in `partial`. To copy a tile's pixels together first was slower on every shape that was tried.
#pragma once
#include "functions.h"

// Sums and inputs of a tile fill the registers and no more: a sum that does not fit goes to memory at every step.
#if LANES == 16
enum { PANEL = 16, TILE_ROWS = 8, TILE_VECTORS = 3, DEPTH = 128, SUMS = 8 };
#elif LANES == 8
enum { PANEL = 24, TILE_ROWS = 6, TILE_VECTORS = 2, DEPTH = 256, SUMS = 12 };
#elif defined(__aarch64__)
enum { PANEL = 8, TILE_ROWS = 8, TILE_VECTORS = 2, DEPTH = 256, SUMS = 8 };
#else
enum { PANEL = 4, TILE_ROWS = 4, TILE_VECTORS = 3, DEPTH = 256, SUMS = 8 };
#endif
enum {
  PANEL_VECTORS = PANEL / LANES,
  TILE_PIXELS = TILE_VECTORS * LANES,
  POINTS = 4,               // pixels of a tile of columns, which sums up SUMS vectors at once
  RUN_FLOATS = 4096,        // of input that stay in the first cache beside all else
  BAND_PRODUCTS = 1 << 19,  // multiply-adds that are worth a band
  MOST_BANDS = 8
};

typedef struct {
  const gnl_pointwise *of;
  size_t pixels;
  const float *packed, *x, *residual;
  float *y;
  int first_panel, last_panel;
  float *rows_partial, *columns_partial;  // scratch
} product;

// Part of a tile: input channels first … last − 1, which start at x, `stride` apart.
typedef struct {
  const float *x;
  size_t stride, pixel;
  int first, last;
} depth;

static int panels_of(const gnl_pointwise *p) { return (p->out_channels + PANEL - 1) / PANEL; }
static size_t panel_floats(const gnl_pointwise *p) { return (size_t)PANEL * ((size_t)p->in_channels + 1); }
static size_t pointwise_packed(const gnl_pointwise *p) { return (size_t)panels_of(p) * panel_floats(p); }

static void pack_panel(const gnl_pointwise *p, const float *weight, const float *bias, int rows, float *packed) {
  for (int row = 0; row < PANEL; row++) packed[row] = row < rows ? bias[row] : 0;
  for (int k = 0; k < p->in_channels; k++)
    for (int row = 0; row < PANEL; row++)
      packed[(size_t)(k + 1) * PANEL + row] = row < rows ? weight[(size_t)row * p->in_channels + k] : 0;
}

static void pointwise_pack(const gnl_pointwise *p, const float *weight, const float *bias, float *packed) {
  for (int first = 0; first < p->out_channels; first += PANEL, packed += panel_floats(p)) {
    const int left = p->out_channels - first;
    pack_panel(p, weight + (size_t)first * p->in_channels, bias + first, left < PANEL ? left : PANEL, packed);
  }
}

// Large maps are split by their pixels, small ones by output channels.
static int by_pixels(size_t pixels, int bands) { return pixels / TILE_PIXELS >= (size_t)bands; }

static int pointwise_bands(const gnl_pointwise *p, size_t pixels) {
  size_t bands = (size_t)p->in_channels * (size_t)p->out_channels * pixels / BAND_PRODUCTS + 1;
  if (bands > MOST_BANDS) bands = MOST_BANDS;
  if (by_pixels(pixels, (int)bands) || bands <= (size_t)panels_of(p)) return (int)bands;
  return panels_of(p);
}

// Sums that wait: a tile's for each output channel, and those of the pixels behind it.
static size_t waiting_rows(const gnl_pointwise *p, size_t pixels) {
  return pixels < LANES ? 0 : (size_t)panels_of(p) * PANEL * TILE_PIXELS;
}

static size_t pointwise_scratch(const gnl_pointwise *p, size_t pixels, int bands) {
  (void)bands;
  return (waiting_rows(p, pixels) + (size_t)panels_of(p) * PANEL * (pixels % LANES)) * sizeof(float);
}

static const float *panel_at(const product *p, int panel) {
  return p->packed + (size_t)panel * panel_floats(p->of);
}

// Where the rows of a panel wait between two depths.
static float *rows_partial(const product *p, int panel, int row) {
  return p->rows_partial + ((size_t)(panel - p->first_panel) * PANEL + row) * TILE_PIXELS;
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

// One weight in all lanes.
INLINE V weight_of(const float *weights, int row) {
#if LANES == 4
  return set1(ld(weights + row / LANES * LANES)[row % LANES]);  // a lane of a vector, on NEON free
#else
  return set1(weights[row]);
#endif
}

// TILE_ROWS output channels of some vectors of pixels.
INLINE void rows_tile(const product *p, const depth *d, int vectors, int panel, int row) {
  const float *packed = panel_at(p, panel) + row, *weights = packed + (size_t)PANEL * (d->first + 1), *x = d->x;
  float *partial = rows_partial(p, panel, row);
  V sums[TILE_ROWS][TILE_VECTORS];
  UNROLL for (int r = 0; r < TILE_ROWS; r++)
    UNROLL for (int v = 0; v < vectors; v++)
      sums[r][v] = d->first == 0 ? set1(packed[r]) : ld(partial + r * TILE_PIXELS + v * LANES);
  for (int k = d->first; k < d->last; k++, weights += PANEL, x += d->stride) {
    V pixels[TILE_VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) pixels[v] = ld(x + v * LANES);
    UNROLL for (int r = 0; r < TILE_ROWS; r++)
      UNROLL for (int v = 0; v < vectors; v++) sums[r][v] = vfma(weight_of(weights, r), pixels[v], sums[r][v]);
  }
  if (d->last < p->of->in_channels) {
    UNROLL for (int r = 0; r < TILE_ROWS; r++)
      UNROLL for (int v = 0; v < vectors; v++) st(partial + r * TILE_PIXELS + v * LANES, sums[r][v]);
    return;
  }
  const int channel = panel * PANEL + row, rows = p->of->out_channels - channel;
  const size_t at = (size_t)channel * p->pixels + d->pixel;
  if (p->residual != NULL)
    UNROLL for (int r = 0; r < TILE_ROWS; r++)
      UNROLL for (int v = 0; v < vectors; v++)
        if (r < rows) sums[r][v] += ld(p->residual + at + (size_t)r * p->pixels + v * LANES);
  write_tile(p->of->activation, vectors, sums, p->y + at, p->pixels, rows);
}

INLINE void rows_of(const product *p, const depth *d, int vectors, int panel) {
  for (int row = 0; row < PANEL && panel * PANEL + row < p->of->out_channels; row += TILE_ROWS)
    rows_tile(p, d, vectors, panel, row);
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

// One pixel of a panel: its channels lie `pixels` apart.
static void write_column(const product *p, const float *sums, int panel, size_t pixel) {
  float column[PANEL] = {0};
  const int left = p->of->out_channels - panel * PANEL, rows = left < PANEL ? left : PANEL;
  const size_t at = (size_t)panel * PANEL * p->pixels + pixel;
  for (int r = 0; p->residual != NULL && r < rows; r++) column[r] = p->residual[at + (size_t)r * p->pixels];
  for (int v = 0; v < PANEL_VECTORS; v++)
    st(column + v * LANES, activate(p->of->activation, ld(sums + v * LANES) + ld(column + v * LANES)));
  for (int r = 0; r < rows; r++) p->y[at + (size_t)r * p->pixels] = column[r];
}

// A panel of some pixels. `turns` sums that take turns hide how long a multiply-add lasts; `kept` holds what came before.
INLINE void columns_tile(const product *p, const depth *d, int points, int turns, int panel, size_t first, float *kept) {
  const float *packed = panel_at(p, panel), *weights = packed + (size_t)PANEL * (d->first + 1), *x = d->x + first;
  V sums[SUMS] = {0};
  int k = d->first;
  for (; k + turns <= d->last; k += turns)
    UNROLL for (int t = 0; t < turns; t++, weights += PANEL, x += d->stride)
      UNROLL for (int i = 0; i < points; i++)
        UNROLL for (int v = 0; v < PANEL_VECTORS; v++) {
          const int j = (t * points + i) * PANEL_VECTORS + v;
          sums[j] = vfma(set1(x[i]), ld(weights + v * LANES), sums[j]);
        }
  for (; k < d->last; k++, weights += PANEL, x += d->stride)
    UNROLL for (int i = 0; i < points; i++)
      UNROLL for (int v = 0; v < PANEL_VECTORS; v++)
        sums[i * PANEL_VECTORS + v] = vfma(set1(x[i]), ld(weights + v * LANES), sums[i * PANEL_VECTORS + v]);
  UNROLL for (int j = 0; j < points * PANEL_VECTORS; j++) {
    UNROLL for (int t = 1; t < turns; t++) sums[j] += sums[t * points * PANEL_VECTORS + j];
    st(kept + j * LANES, sums[j] + ld((d->first == 0 ? packed + j % PANEL_VECTORS * LANES : kept + j * LANES)));
  }
}

APART void columns_of_4(const product *p, const depth *d, int panel, size_t first, float *kept) {
  columns_tile(p, d, POINTS, SUMS / POINTS / PANEL_VECTORS, panel, first, kept);
}
APART void columns_of_1(const product *p, const depth *d, int panel, size_t first, float *kept) {
  columns_tile(p, d, 1, SUMS / PANEL_VECTORS, panel, first, kept);
}

static void some_columns(const product *p, const depth *d, size_t points, int panel) {
  float *kept = p->columns_partial + (size_t)(panel - p->first_panel) * PANEL * points;
  for (size_t i = 0; i < points; i += points - i < POINTS ? 1 : POINTS)
    (points - i < POINTS ? columns_of_1 : columns_of_4)(p, d, panel, i, kept + i * PANEL);
  for (size_t i = 0; i < points && d->last == p->of->in_channels; i++)
    write_column(p, kept + i * PANEL, panel, d->pixel + i);
}

static void advance(depth *d, const product *p) {
  const int left = p->of->in_channels - d->last;
  d->x += (size_t)(d->last - d->first) * d->stride;
  d->first = d->last;
  d->last += left < DEPTH + DEPTH / 2 ? left : DEPTH;
}

// All output channels of the band for some vectors of pixels, and for `points` pixels behind them.
static void pointwise_tile(const product *p, size_t pixel, int vectors, size_t points) {
  const size_t behind = pixel + (size_t)vectors * LANES;
  depth rows = {p->x + pixel, p->pixels, pixel, 0, 0}, columns = {p->x + behind, p->pixels, behind, 0, 0};
  while (rows.last < p->of->in_channels) {
    advance(&rows, p), advance(&columns, p);
    for (int panel = p->first_panel; panel < p->last_panel; panel++) {
      some_rows(p, &rows, vectors, panel);
      some_columns(p, &columns, points, panel);
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
        some_rows(p, &(depth){p->x + at, p->pixels, at, 0, p->of->in_channels}, TILE_VECTORS, panel);
    pixel += count * TILE_PIXELS;
  }
  return pixel;
}

static void pointwise_tiles(const product *p, size_t pixel, size_t last) {
  pixel = pointwise_runs(p, pixel, last);
  while (pixel < last) {
    const size_t left = (last - pixel) / LANES, vectors = left < TILE_VECTORS ? left : TILE_VECTORS;
    const size_t behind = last - pixel - vectors * LANES, points = behind < LANES ? behind : 0;
    pointwise_tile(p, pixel, (int)vectors, points);
    pixel += vectors * LANES + points;
  }
}

static void pointwise_band(const gnl_pointwise *of, size_t pixels, int bands, const float *packed, const float *x,
                           const float *residual, float *y, int band, void *scratch) {
  product p = {of, pixels, packed, x, residual, y, 0, panels_of(of), scratch, NULL};
  p.columns_partial = p.rows_partial + waiting_rows(of, pixels);
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
    .packed_floats = pointwise_packed,
    .pack = pointwise_pack,
    .bands = pointwise_bands,
    .scratch_bytes = pointwise_scratch,
    .band = pointwise_band,
};
