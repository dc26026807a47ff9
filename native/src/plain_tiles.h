// Convolution of padded planes by tiles of PLAIN_ROWS rows of outputs, one or two vectors wide, whose sums stay in registers:
// a vector of inputs, once read, serves all rows of the tile. Every output adds up its taps in the same order whatever
// tile it is in, so that tiles may overlap and bands may be cut anywhere.
#pragma once
#include "functions.h"
#include "plain_planes.h"

#define PLAIN_ROWS 7  // divides the heights of a network for 224 pixels: 112, 56, 28, 14, 7
#define SMALL_ROWS 4  // of the tiles for what is left
#if defined(__AVX512F__) || defined(__aarch64__)
#define PLAIN_VECTORS 2  // 32 registers: 14 sums, up to 7 weights, 2 inputs
#else
#define PLAIN_VECTORS 1  // 16 registers: 7 sums, up to 7 weights, an input
#endif

// One seed map: `rows` rows of outputs from the padded planes of its inputs, `plane` floats apart.
typedef struct {
  const gnl_planes *planes;
  size_t plane;
  const float *padded, *weights;  // weights: of each input kw columns of kh
  float start;                    // what the sums begin with
  int activation, rows;
  float *to;
} gnl_convolution;

// Taps of a square window of k at stride s; of TILE rows `rows` are computed.
INLINE void square_taps(const float *in, size_t pitch, size_t half, const float *weights, int k, int s, int rows, int vectors,
                        size_t step, V *sums) {
  NO_UNROLL for (int kx = 0; kx < k; kx++) {
    const float *row = s == 1 ? in + kx : in + (kx & 1) * half + kx / 2;
    V weight[7];
    UNROLL for (int ky = 0; ky < k; ky++) weight[ky] = set1(weights[kx * k + ky]);
    UNROLL for (int y = 0; y < (rows - 1) * s + k; y++, row += pitch) {
      V input[PLAIN_VECTORS];
      UNROLL for (int j = 0; j < vectors; j++) input[j] = ld(row + j * step);
      UNROLL for (int ky = 0; ky < k; ky++) {
        const int r = (y - ky) / s;
        if (y < ky || (y - ky) % s || r >= rows) continue;
        UNROLL for (int j = 0; j < vectors; j++) sums[r * vectors + j] = vfma(input[j], weight[ky], sums[r * vectors + j]);
      }
    }
  }
}

// Taps of any window.
INLINE void any_taps(const gnl_planes *p, const float *in, const float *weights, int rows, int vectors, size_t step, V *sums) {
  const gnl_window *w = &p->layer->window;
  for (int kx = 0; kx < w->width; kx++) {
    const int column = kx * w->dilation_x;
    const float *at = in + column % w->stride_x * p->rows.half + column / w->stride_x;
    for (int ky = 0; ky < w->height; ky++) {
      const V weight = set1(*weights++);
      const float *row = at + (size_t)ky * w->dilation_y * p->rows.pitch;
      UNROLL for (int r = 0; r < rows; r++, row += w->stride_y * p->rows.pitch)
        UNROLL for (int j = 0; j < vectors; j++)
          sums[r * vectors + j] = vfma(ld(row + j * step), weight, sums[r * vectors + j]);
    }
  }
}

INLINE void activate_tile(V *sums, int count, int activation) {
  switch (activation) {
#define CASE(A)                                                            \
  case A:                                                                  \
    UNROLL for (int i = 0; i < count; i++) sums[i] = activate_scaled(A, sums[i]); \
    break;
    CASE(GNL_RELU)
    CASE(GNL_RELU6)
    CASE(GNL_HARDSWISH)
    CASE(GNL_HARDSIGMOID)
#undef CASE
  }
}

// Of rows narrower than a vector each hangs over into the rows below, which are written afterwards, where there are enough.
INLINE void store_narrow(float *to, int width, int rows, int left, const V *sums) {
  UNROLL for (int r = 0; r < rows; r++) {
    if ((left - r) * width >= LANES) st(to + r * width, sums[r]);
    else if (r < left) st_part(to + r * width, sums[r], width);
  }
}

INLINE void store_tile(float *to, int width, int rows, int left, int vectors, size_t step, const V *sums) {
  UNROLL for (int r = 0; r < rows; r++) {
    if (rows < PLAIN_ROWS && r >= left) break;
    UNROLL for (int j = 0; j < vectors; j++) st(to + r * width + j * step, sums[r * vectors + j]);
  }
}

// k = 0: any window.
INLINE void tile(const gnl_convolution *c, int y, int x, int k, int s, int rows, int vectors, size_t step) {
  const gnl_planes *p = c->planes;
  const int width = p->size->out_width, taps = p->rows.kernel_height * p->rows.kernel_width;
  const float *in = c->padded + (size_t)y * p->layer->window.stride_y * p->rows.pitch + x, *weights = c->weights;
  float *to = c->to + (size_t)y * width + x;
  V sums[PLAIN_ROWS * PLAIN_VECTORS];
  UNROLL for (int i = 0; i < rows * vectors; i++) sums[i] = set1(c->start);
  for (int m = 0; m < p->layer->inputs; m++, in += c->plane, weights += taps) {
    if (k) square_taps(in, p->rows.pitch, p->rows.half, weights, k, s, rows, vectors, step, sums);
    else any_taps(p, in, weights, rows, vectors, step, sums);
  }
  activate_tile(sums, rows * vectors, c->activation);
  if (width < LANES) store_narrow(to, width, rows, c->rows - y, sums);
  else store_tile(to, width, rows, c->rows - y, vectors, step, sums);
}

INLINE void row_of_tiles(const gnl_convolution *c, int y, int k, int s, int rows) {
  const int width = c->planes->size->out_width;
  int x = 0;
#if PLAIN_VECTORS == 2
  for (; width - x > LANES; x += 2 * LANES)
    tile(c, y, x, k, s, rows, 2, (size_t)min_int(LANES, width - x - LANES));
#endif
  for (; x < width; x += LANES) tile(c, y, max_int(0, min_int(x, width - LANES)), k, s, rows, 1, LANES);
}

// Tiles of 7 and 4 rows. The last may overlap the one before; where there are fewer than 4 it computes more than it stores.
INLINE void convolve(const gnl_convolution *c, int k, int s) {
  for (int y = 0; y < c->rows;) {
    const int left = c->rows - y;
    if (left >= PLAIN_ROWS && left != 2 * SMALL_ROWS) row_of_tiles(c, y, k, s, PLAIN_ROWS), y += PLAIN_ROWS;
    else row_of_tiles(c, max_int(0, min_int(y, c->rows - SMALL_ROWS)), k, s, SMALL_ROWS), y += SMALL_ROWS;
  }
}

typedef void (*gnl_convolve)(const gnl_convolution *);
#define CONVOLVE(k, s) APART void convolve_##k##s(const gnl_convolution *c) { convolve(c, k, s); }
CONVOLVE(0, 0) CONVOLVE(3, 1) CONVOLVE(3, 2) CONVOLVE(5, 1) CONVOLVE(5, 2) CONVOLVE(7, 1) CONVOLVE(7, 2)

static gnl_convolve convolution_of(const gnl_window *w) {
  static const gnl_convolve square[3][2] = {{convolve_31, convolve_32}, {convolve_51, convolve_52}, {convolve_71, convolve_72}};
  const int size = w->height, stride = w->stride_y;
  const int plain = w->width == size && w->stride_x == stride && w->dilation_y == 1 && w->dilation_x == 1;
  if (!plain || size % 2 == 0 || size < 3 || size > 7 || stride > 2) return convolve_00;
  return square[size / 2 - 1][stride - 1];
}
