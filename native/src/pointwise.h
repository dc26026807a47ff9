// Pointwise: y = act(W·x + b + r) over the pixels of a plain image, a product of matrices.
//
// W is packed in panels of PANEL output channels: PANEL biases, then for each input channel its PANEL weights. The same
// panels serve two ways to compute a tile. Whole vectors of pixels are computed with one weight times a vector of pixels
// (`rows_tile`), and the few pixels that are left, or the only one, with a vector of weights times one pixel
// (`columns_tile`): no lane is ever wasted on the edge of a 7x7 map, and one pixel is a product of matrix and vector that
// reads each weight once, in order.
#pragma once
#include "groupnl_native.h"

#if LANES == 16
enum { PANEL = 16, TILE_ROWS = 8, TILE_VECTORS = 3 };
#elif LANES == 8
enum { PANEL = 8, TILE_ROWS = 4, TILE_VECTORS = 3 };
#elif defined(__aarch64__)
enum { PANEL = 8, TILE_ROWS = 8, TILE_VECTORS = 2 };
#else
enum { PANEL = 4, TILE_ROWS = 4, TILE_VECTORS = 2 };
#endif
enum {
  PANEL_VECTORS = PANEL / LANES,
  TILE_PIXELS = TILE_VECTORS * LANES,
  POINTS = 4,                 // pixels of a tile of columns
  BAND_PRODUCTS = 1 << 19,    // multiply-adds that are worth a band
  MOST_BANDS = 8,
  COPY_FROM_ROWS = 4 * TILE_ROWS  // output channels from which it pays to copy a tile's pixels together
};

typedef struct {
  const gnl_pointwise *of;
  size_t pixels;
  const float *packed, *x, *residual;
  float *y, *scratch;
  int first_panel, last_panel;
} product;

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

static size_t pointwise_scratch(const gnl_pointwise *p, size_t pixels, int bands) {
  (void)bands;
  return pixels == 1 ? 0 : (size_t)p->in_channels * TILE_PIXELS * sizeof(float);
}

// A tile's write-out: residual and activation. What is dear to compute is left to `write_dear`.
INLINE void write_rows(int activation, int vectors, const V sums[TILE_ROWS][TILE_VECTORS], float *y, size_t pixels,
                       int rows) {
  for (int row = 0; row < TILE_ROWS; row++)
    for (int v = 0; v < vectors; v++)
      if (row < rows) st(y + (size_t)row * pixels + v * LANES, activate(activation, sums[row][v]));
}

APART void write_dear(int activation, int vectors, float *y, size_t pixels, int rows) {
  for (int row = 0; row < rows; row++)
    for (int v = 0; v < vectors; v++) {
      float *at = y + (size_t)row * pixels + v * LANES;
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

// TILE_ROWS output channels of some vectors of pixels; input channel k's are at x + k·stride.
INLINE void rows_tile(const product *p, int vectors, const float *panel, int row, const float *x, size_t stride,
                      size_t at, int rows) {
  V sums[TILE_ROWS][TILE_VECTORS];
  for (int r = 0; r < TILE_ROWS; r++)
    for (int v = 0; v < vectors; v++) sums[r][v] = set1(panel[row + r]);
  const float *weights = panel + PANEL + row;
  for (int k = 0; k < p->of->in_channels; k++, weights += PANEL, x += stride)
    for (int r = 0; r < TILE_ROWS; r++)
      for (int v = 0; v < vectors; v++) sums[r][v] = vfma(weight_of(weights, r), ld(x + v * LANES), sums[r][v]);
  if (p->residual != NULL)
    for (int r = 0; r < TILE_ROWS; r++)
      for (int v = 0; v < vectors; v++)
        if (r < rows) sums[r][v] += ld(p->residual + at + (size_t)r * p->pixels + v * LANES);
  write_tile(p->of->activation, vectors, sums, p->y + at, p->pixels, rows);
}

// All output channels of the band for some vectors of pixels.
INLINE void rows_of(const product *p, int vectors, size_t pixel, const float *x, size_t stride) {
  for (int panel = p->first_panel; panel < p->last_panel; panel++)
    for (int row = 0; row < PANEL; row += TILE_ROWS) {
      const int channel = panel * PANEL + row, rows = p->of->out_channels - channel;
      if (rows > 0)
        rows_tile(p, vectors, p->packed + (size_t)panel * panel_floats(p->of), row, x, stride,
                  (size_t)channel * p->pixels + pixel, rows);
    }
}

APART void rows_of_1(const product *p, size_t pixel, const float *x, size_t stride) { rows_of(p, 1, pixel, x, stride); }
APART void rows_of_2(const product *p, size_t pixel, const float *x, size_t stride) { rows_of(p, 2, pixel, x, stride); }
#if LANES > 4
APART void rows_of_3(const product *p, size_t pixel, const float *x, size_t stride) { rows_of(p, 3, pixel, x, stride); }
#endif

static void copy_pixels(const product *p, size_t pixel, size_t count) {
  for (int k = 0; k < p->of->in_channels; k++)
    memcpy(p->scratch + (size_t)k * count, p->x + (size_t)k * p->pixels + pixel, count * sizeof(float));
}

static void rows_from(const product *p, size_t pixel, int vectors) {
  const int copied = (p->last_panel - p->first_panel) * PANEL >= COPY_FROM_ROWS;
  if (copied) copy_pixels(p, pixel, (size_t)vectors * LANES);
  const float *x = copied ? p->scratch : p->x + pixel;
  const size_t stride = copied ? (size_t)vectors * LANES : p->pixels;
  if (vectors == 1) rows_of_1(p, pixel, x, stride);
  if (vectors == 2) rows_of_2(p, pixel, x, stride);
#if LANES > 4
  if (vectors == 3) rows_of_3(p, pixel, x, stride);
#endif
}

// One pixel of a panel: the channels lie `pixels` apart.
INLINE void write_column(const product *p, const V sums[PANEL_VECTORS], int channel, size_t pixel) {
  float column[PANEL] = {0};
  const int left = p->of->out_channels - channel, rows = left < PANEL ? left : PANEL;
  const size_t at = (size_t)channel * p->pixels + pixel;
  for (int row = 0; p->residual != NULL && row < rows; row++) column[row] = p->residual[at + (size_t)row * p->pixels];
  for (int v = 0; v < PANEL_VECTORS; v++)
    st(column + v * LANES, activate(p->of->activation, sums[v] + ld(column + v * LANES)));
  for (int row = 0; row < rows; row++) p->y[at + (size_t)row * p->pixels] = column[row];
}

// Some panels of some pixels; input channel k's are at x + k·stride.
INLINE void columns_tile(const product *p, int panels, int points, int panel, size_t pixel, const float *x,
                         size_t stride) {
  V sums[4][POINTS][PANEL_VECTORS];
  const size_t step = panel_floats(p->of);
  const float *weights = p->packed + (size_t)panel * step;
  for (int g = 0; g < panels; g++)
    for (int i = 0; i < points; i++)
      for (int v = 0; v < PANEL_VECTORS; v++) sums[g][i][v] = ld(weights + g * step + v * LANES);
  for (int k = 0; k < p->of->in_channels; k++, x += stride) {
    weights += PANEL;
    for (int g = 0; g < panels; g++)
      for (int i = 0; i < points; i++)
        for (int v = 0; v < PANEL_VECTORS; v++)
          sums[g][i][v] = vfma(set1(x[i]), ld(weights + g * step + v * LANES), sums[g][i][v]);
  }
  for (int g = 0; g < panels; g++)
    for (int i = 0; i < points; i++) write_column(p, sums[g][i], (panel + g) * PANEL, pixel + (size_t)i);
}

APART void columns_of_4(const product *p, size_t pixel, const float *x, size_t stride) {
  int panel = p->first_panel;
  for (; panel + 2 <= p->last_panel; panel += 2) columns_tile(p, 2, POINTS, panel, pixel, x, stride);
  if (panel < p->last_panel) columns_tile(p, 1, POINTS, panel, pixel, x, stride);
}

APART void columns_of_1(const product *p, size_t pixel, const float *x, size_t stride) {
  int panel = p->first_panel;
  for (; panel + 4 <= p->last_panel; panel += 4) columns_tile(p, 4, 1, panel, pixel, x, stride);
  for (; panel < p->last_panel; panel++) columns_tile(p, 1, 1, panel, pixel, x, stride);
}

static void columns_from(const product *p, size_t pixel, size_t count) {
  const float *x = p->x;
  if (p->pixels > 1) copy_pixels(p, pixel, count), x = p->scratch;
  size_t i = 0;
  for (; i + POINTS <= count; i += POINTS) columns_of_4(p, pixel + i, x + i, count);
  for (; i < count; i++) columns_of_1(p, pixel + i, x + i, count);
}

static void product_of(const product *p, size_t first, size_t last) {
  size_t pixel = first;
  for (; pixel + LANES <= last;) {
    const size_t left = (last - pixel) / LANES, vectors = left < TILE_VECTORS ? left : TILE_VECTORS;
    rows_from(p, pixel, (int)vectors);
    pixel += vectors * LANES;
  }
  if (pixel < last) columns_from(p, pixel, last - pixel);
}

static void pointwise_band(const gnl_pointwise *of, size_t pixels, int bands, const float *packed, const float *x,
                           const float *residual, float *y, int band, void *scratch) {
  product p = {of, pixels, packed, x, residual, y, scratch, 0, panels_of(of)};
  if (by_pixels(pixels, bands)) {
    const size_t tiles = pixels / TILE_PIXELS, first = tiles * (size_t)band / (size_t)bands * TILE_PIXELS;
    const size_t last = tiles * ((size_t)band + 1) / (size_t)bands * TILE_PIXELS;
    product_of(&p, first, band + 1 == bands ? pixels : last);
    return;
  }
  p.first_panel = panels_of(of) * band / bands, p.last_panel = panels_of(of) * (band + 1) / bands;
  product_of(&p, 0, pixels);
}

static const gnl_pointwise_kernels pointwise_kernels = {
    .packed_floats = pointwise_packed,
    .pack = pointwise_pack,
    .bands = pointwise_bands,
    .scratch_bytes = pointwise_scratch,
    .band = pointwise_band,
};
