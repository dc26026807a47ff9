// Whole layers in ONNX Runtime's layout in blocks of LANES channels. A band goes through its rows in groups, whose seed
// maps stay in the caches until all outputs are made of them; a depthwise convolution goes block by block, a layer of few
// seed maps row by row.
#pragma once
#include "functions.h"

#include "blocked_pack.h"
#include "blocked_taps.h"
#include "blocked_outputs.h"
#if LANES >= 8  // eight pixels' norms do not fit in a shorter vector
#include "blocked_small.h"
#endif

enum { GROUP_BYTES = 128 << 10 };  // of seed maps that are kept at a time
enum { BLOCKED_BANDS = 16, BLOCKED_BAND_ROWS = 3, BLOCKED_BAND_FLOATS = 1 << 14 };

// Floats from one pixel's seed maps to the next pixel's: more than a block have room for the first ones again, after the
// last one, and are an odd number of blocks, so that neighbours do not fall upon the same lines of a cache.
static size_t pixel_floats(const gnl_layer *l) {
  return l->seeds <= LANES ? LANES : (size_t)((blocks_of(l->seeds) + 1) | 1) * LANES;
}

// Bands are rows; of given seed maps they are pixels, as if these were rows of one pixel.
static int band_units(const gnl_layer *l, const gnl_size *z) { return l->given ? z->out_height * z->out_width : z->out_height; }
static int band_start(const gnl_layer *l, const gnl_size *z, int band) {
  return (int)((int64_t)band_units(l, z) * band / z->bands);
}

// A power of two, at most BLOCKED_BANDS, of at least BLOCKED_BAND_ROWS rows and BLOCKED_BAND_FLOATS outputs each.
static int blocked_bands(const gnl_layer *l, const gnl_size *z) {
  const size_t floats = (size_t)z->out_height * z->out_width * blocks_of(l->channels) * LANES;
  int bands = 1;
  while (bands < BLOCKED_BANDS && 2 * bands * BLOCKED_BAND_ROWS <= band_units(l, z) &&
         2 * bands * (size_t)BLOCKED_BAND_FLOATS <= floats) bands *= 2;
  return bands;
}

static int group_rows(const gnl_layer *l, int width) {
  return most(1, (int)(GROUP_BYTES / (pixel_floats(l) * sizeof(float) * width)));
}

static size_t blocked_scratch_bytes(const gnl_layer *l, const gnl_size *z) {
  if (convolves_alone(l)) return 0;
#if LANES >= 8
  if (is_small(l)) return small_scratch_bytes(z);
#endif
  const int width = l->given ? 1 : z->out_width, rows = least(group_rows(l, width), band_units(l, z));
  const size_t pixels = (size_t)rows * width;
  return ((pixels + TILE) * pixel_floats(l) + pixels + 8 + 2 * LANES) * sizeof(float);
}

static convolution block_convolution(const gnl_layer *l, const gnl_size *z, const float *packed, const float *x, int block) {
  const size_t filter = (size_t)window_taps(l) * LANES, image = (size_t)z->in_height * z->in_width * LANES;
  const size_t first = (size_t)block * l->inputs;
  return (convolution){.window = &l->window, .size = z, .filter = packed + first * filter, .image = x + first * image,
                       .filter_step = filter, .image_step = image,
                       .row_step = (size_t)l->window.dilation_y * z->in_width * LANES,
                       .parts = least(l->inputs, blocks_of(l->seeds * l->inputs) - (int)first), .inputs = l->inputs,
                       .activation = l->activation};
}

// A band of a depthwise convolution is some of its blocks.
static void depthwise_band(const gnl_layer *l, const gnl_size *z, const float *packed, const float *x, float *y, int band,
                           float *sums) {
  const conv_kernel kernel = conv_kernels_of(&l->window)->outputs;
  const size_t row = (size_t)z->out_width * LANES;
  const int blocks = blocks_of(l->channels), last = (int)((int64_t)blocks * (band + 1) / z->bands);
  for (int block = (int)((int64_t)blocks * band / z->bands); block < last; block++) {
    convolution c = block_convolution(l, z, packed, x, block);
    const float *record = record_of(l, packed, block);
    c.shift = ld(record + RECORD_SEED_SHIFT * LANES);
    c.used = (block + 1) * LANES > l->channels ? record + RECORD_IS_SEED * LANES : NULL;
    const V total = kernel(&c, 0, z->out_height, y + (size_t)block * z->out_height * row, LANES);
    if (sums) st(sums + block * LANES, ld(sums + block * LANES) + total);
  }
}

// The seed maps of the rows `from` … `to` − 1, pixel after pixel.
static void convolve_seeds(const gnl_layer *l, const gnl_size *z, const float *packed, const float *x, float *seeds,
                           int from, int to) {
  const conv_kernels *kernels = conv_kernels_of(&l->window);
  for (int block = 0; block < blocks_of(l->seeds); block++) {
    const convolution c = block_convolution(l, z, packed, x, block);
    const inputs_order order = stands_apart(l, block) ? APART_INPUTS : l->inputs == 2 ? TWO_INPUTS : MORE_INPUTS;
    kernels->seeds[order](&c, from, to, seeds + block * LANES, pixel_floats(l));
  }
}

// Given seed maps, pixel after pixel.
static void collect(const gnl_layer *l, const gnl_size *z, const float *x, float *seeds, int from, int to) {
  const size_t step = pixel_floats(l), image = (size_t)z->out_height * z->out_width * LANES;
  for (int block = 0; block < blocks_of(l->seeds); block++)
    for (int i = from; i < to; i++) st(seeds + (i - from) * step + block * LANES, ld(x + block * image + (size_t)i * LANES));
}

// The first seed maps again, after the last one, for blocks of outputs that begin with the last ones.
static void repeat_first(const gnl_layer *l, float *seeds, int pixels) {
  const size_t step = pixel_floats(l);
  for (int i = 0; i < pixels; i++, seeds += step) st(seeds + l->seeds, ld(seeds));
}

static void group(const gnl_layer *l, const gnl_size *z, const float *packed, const float *x, float *y, int from, int to,
                  float *scratch, float *sums) {
  const int width = l->given ? 1 : z->out_width;
  const size_t step = pixel_floats(l), image = (size_t)z->out_height * z->out_width * LANES;
  seed_maps s = {scratch, step, LANES, NULL, (to - from) * width};
  float *inverse = scratch + (s.pixels + TILE) * step;
  if (l->given) collect(l, z, x, scratch, from, to);
  else convolve_seeds(l, z, packed, x, scratch, from, to);
  if (l->normalize) inverse_norms(&s, blocks_of(l->seeds), l->epsilon, inverse), s.inverse = inverse;
  if (l->seeds > LANES && l->seeds % LANES) repeat_first(l, scratch, s.pixels);
  all_outputs(l, packed, &s, y + (size_t)from * width * LANES, image, sums);
}

static void blocked_band(const gnl_layer *l, const gnl_size *z, const float *packed, const float *x, float *y, int band,
                         void *scratch, float *sums) {
  const int from = band_start(l, z, band), to = band_start(l, z, band + 1);
  const int rows = group_rows(l, l->given ? 1 : z->out_width);
  if (convolves_alone(l)) {
    depthwise_band(l, z, packed, x, y, band, sums);
#if LANES >= 8
  } else if (is_small(l)) {
    const convolution c = block_convolution(l, z, packed, x, 0);
    small_band(l, &c, packed, from, to, y, scratch, sums);
#endif
  } else {
    for (int row = from; row < to; row += rows) group(l, z, packed, x, y, row, least(row + rows, to), scratch, sums);
  }
}

static const gnl_layer_kernels blocked_kernels = {blocked_packed_floats, blocked_pack, blocked_bands, blocked_scratch_bytes,
                                                     blocked_band};
