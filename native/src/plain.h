// Whole layers in plain layout (channel, row, column).
//
// Where seed maps are normalised, all maps of some rows are convolved into the seed half of the output, the sums of their
// squares beside, and finished from there: bands are rows. Else every map is finished at once: bands are seed maps.
// Of `given` layers the seed maps lie in the input, and bands are pixels, or seed maps likewise.
#pragma once
#include "finishing.h"
#include "plain_tiles.h"

typedef struct {
  const gnl_layer *layer;
  const gnl_size *size;
  gnl_planes planes;
  int chunk;            // rows of outputs whose padded inputs are kept at once
  size_t plane;         // floats of the padded input of one plane
  const float *weights, *seed, *generated;  // packed
} gnl_plain;

static int taps_of(const gnl_layer *l) { return l->given ? 0 : l->window.height * l->window.width * l->inputs; }
static int generated_of(const gnl_layer *l) { return l->channels - l->seeds; }
// The seed maps are all there is: the tile itself finishes them, and their scale goes into the filters.
static int is_depthwise(const gnl_layer *l) { return !l->given && !l->normalize && l->channels == l->seeds; }
static size_t pixels_of(const gnl_size *s) { return (size_t)s->out_height * s->out_width; }

// As many rows of `per_row` floats as fit into `floats`: all, or a multiple of the tile's, which is the least.
static int rows_within(size_t floats, size_t per_row, int rows) {
  const size_t tiles = floats / (per_row * PLAIN_ROWS);
  return min_int(rows, max_int(1, (int)tiles) * PLAIN_ROWS);
}

static int plain_rows_of_band(const gnl_layer *l, const gnl_size *s) {
  return l->normalize ? (s->out_height + s->bands - 1) / s->bands : s->out_height;
}

static int chunk_rows(const gnl_layer *l, const gnl_size *s, const gnl_rows *rows) {
  const size_t per_row = rows->pitch * l->inputs * l->window.stride_y;
  return rows_within(4096, per_row, plain_rows_of_band(l, s));
}

static gnl_plain plain_of(const gnl_layer *l, const gnl_size *s, const float *packed) {
  gnl_plain p = {.layer = l, .size = s};
  p.weights = packed;
  p.seed = p.weights + (size_t)l->seeds * taps_of(l);
  p.generated = p.seed + (size_t)GNL_SEED_ROWS * l->seeds;
  p.planes.layer = l;
  p.planes.size = s;
  if (l->given) return p;
  p.planes.rows = padded_rows(l, s);
  p.chunk = chunk_rows(l, s, &p.planes.rows);
  p.plane = p.planes.rows.pitch * input_rows(&l->window, max_int(p.chunk, SMALL_ROWS));
  return p;
}

static size_t plain_packed_floats(const gnl_layer *l) {
  return (size_t)l->seeds * (taps_of(l) + GNL_SEED_ROWS) + (size_t)generated_of(l) * GNL_GENERATED_ROWS;
}

static float *copy_scaled(float *to, const float *from, size_t count, float scale) {
  for (size_t i = 0; i < count; i++) *to++ = scale * from[i];
  return to;
}

// By columns, since a tile takes the weights of a column at a time.
static float *pack_columns(const gnl_window *w, const float *filter, float scale, float *to) {
  for (int x = 0; x < w->width; x++)
    for (int y = 0; y < w->height; y++) *to++ = scale * filter[y * w->width + x];
  return to;
}

static void plain_pack(const gnl_layer *l, const float *filters, const float *seed, const float *generated, float *packed) {
  const float before = scale_before(l->activation);
  const size_t taps = (size_t)l->window.height * l->window.width, all = generated_of(l);
  for (int i = 0; !l->given && i < l->seeds * l->inputs; i++)
    packed = pack_columns(&l->window, filters + i * taps, is_depthwise(l) ? before * seed[i / l->inputs] : 1, packed);
  packed = copy_scaled(packed, seed, (size_t)GNL_SEED_ROWS * l->seeds, before);
  packed = copy_scaled(packed, generated, GNL_POST_SCALE * all, 1);
  copy_scaled(packed, generated + GNL_POST_SCALE * all, (GNL_GENERATED_ROWS - GNL_POST_SCALE) * all, before);
}

// Up to four bands where there is work for them, of whole tiles, whose seed maps stay in the second cache. Bands of fewer
// rows would gain two threads less than they cost one.
static int bands_of_rows(const gnl_layer *l, const gnl_size *s, size_t shares) {
  const int height = s->out_height, parts = max_int(1, (int)(shares < 4 ? shares : 4));
  const int tiles = (height + parts * PLAIN_ROWS - 1) / (parts * PLAIN_ROWS);
  const int rows = min_int(tiles * PLAIN_ROWS, rows_within(1 << 15, (size_t)l->seeds * s->out_width, height));
  return (height + rows - 1) / rows;
}

static int plain_bands(const gnl_layer *l, const gnl_size *s) {
  const size_t shares = pixels_of(s) * l->seeds * (taps_of(l) + 8) >> 18;
  if (l->normalize && !l->given) return bands_of_rows(l, s, shares);
  const size_t most = l->given ? pixels_of(s) : (size_t)s->out_height;
  const size_t bounded = shares < most ? shares : most;
  return max_int(1, min_int((int)(bounded < 8 ? bounded : 8), l->normalize ? 8 : l->seeds));
}

static size_t plain_scratch_bytes(const gnl_layer *l, const gnl_size *s) {
  const gnl_plain p = plain_of(l, s, NULL);
  const size_t per_band = l->given ? (pixels_of(s) + s->bands - 1) / s->bands : (size_t)plain_rows_of_band(l, s) * s->out_width;
  const size_t squares = l->normalize ? whole_vectors(per_band) : 0;
  const size_t floats = squares + (l->given ? 0 : p.plane * l->inputs);
  return (floats * sizeof(float) + 63) / 64 * 64;
}

// Rows first … first + rows − 1 of seed map i.
static void convolve_map(const gnl_plain *p, gnl_convolve convolve, int i, int first, int rows, const float *x, float *padded,
                         float *to) {
  const gnl_layer *l = p->layer;
  const size_t in_pixels = (size_t)p->size->in_height * p->size->in_width;
  const int late = l->activation == GNL_SILU || l->activation == GNL_SIGMOID;
  gnl_convolution c = {.planes = &p->planes, .plane = p->plane, .padded = padded, .weights = p->weights + (size_t)i * taps_of(l)};
  c.start = is_depthwise(l) ? p->seed[l->seeds + i] : 0;
  c.activation = is_depthwise(l) && !late ? l->activation : GNL_NONE;
  for (int at = 0; at < rows; at += p->chunk) {
    c.rows = min_int(p->chunk, rows - at);
    c.to = to + (size_t)at * p->size->out_width;
    for (int m = 0; m < l->inputs; m++)
      pad_plane(&p->planes, x + ((size_t)i * l->inputs + m) * in_pixels, first + at, c.rows, rows <= p->chunk, padded + m * p->plane);
    convolve(&c);
    if (is_depthwise(l) && late) activate_in_place(c.to, (size_t)c.rows * p->size->out_width, l->activation);
  }
}

// The channels made of seed map i: `map` tells where it lies, and which of the output's pixels it is.
static void finish_seed(const gnl_plain *p, gnl_map *map, int i, size_t at, float *y, float *sums) {
  const gnl_layer *l = p->layer;
  const size_t pixels = pixels_of(p->size);
  const int each = l->seeds / l->nl_groups, all = generated_of(l), copies = (l->channels + l->seeds - 1) / l->seeds - 1;
  map->scale = p->seed[i];
  map->shift = p->seed[l->seeds + i];
  for (int copy = copies; copy-- > 0;) {  // the first goes together with the seed half, which may overwrite the seed map
    const int t = (i / each * copies + copy) * each + i % each;
    if (t >= all) continue;
    const float *g = p->generated + t;
    map->pre_scale = g[GNL_PRE_SCALE * all];
    map->pre_shift = g[GNL_PRE_SHIFT * all];
    map->exponent = g[GNL_EXPONENT * all];
    map->post_scale = g[GNL_POST_SCALE * all];
    map->post_shift = g[GNL_POST_SHIFT * all];
    map->generated = y + (l->seeds + t) * pixels + at;
    map->seed = copy ? NULL : y + i * pixels + at;
    finish_map(map, l->function, l->activation);
    if (sums) sums[l->seeds + t] += sum_of(map->generated, map->count);
  }
  if (!map->seed) {
    map->generated = NULL;
    map->seed = y + i * pixels + at;
    finish_map(map, l->function, l->activation);
  }
  if (sums) sums[i] += sum_of(map->seed, map->count);
}

// Seed maps first … last − 1, whole, one after another.
static void band_of_maps(const gnl_plain *p, int first, int last, const float *x, float *y, float *padded, float *sums) {
  const size_t pixels = pixels_of(p->size);
  const gnl_convolve convolve = p->layer->given ? NULL : convolution_of(&p->layer->window);
  for (int i = first; i < last; i++) {
    float *seed = y + i * pixels;
    gnl_map map = {.raw = p->layer->given ? x + i * pixels : seed, .count = pixels};
    if (!p->layer->given) convolve_map(p, convolve, i, 0, p->size->out_height, x, padded, seed);
    if (!is_depthwise(p->layer)) finish_seed(p, &map, i, 0, y, sums);
    else if (sums) sums[i] += sum_of(seed, pixels);
  }
}

// Pixels at … at + count − 1 of all seed maps, which lie in `maps` as in the output.
static void finish_together(const gnl_plain *p, const float *maps, size_t at, size_t count, float *y, float *squares, float *sums) {
  const gnl_layer *l = p->layer;
  const size_t pixels = pixels_of(p->size);
  invert_norms(squares, count, l->epsilon);
  for (int i = 0; i < l->seeds; i++) {
    gnl_map map = {.raw = maps + i * pixels + at, .inverse = squares, .count = count};
    finish_seed(p, &map, i, at, y, sums);
  }
}

// Rows first … first + rows − 1, normalised.
static void band_of_rows(const gnl_plain *p, int first, int rows, const float *x, float *y, float *squares, float *padded, float *sums) {
  const size_t pixels = pixels_of(p->size), at = (size_t)first * p->size->out_width, count = (size_t)rows * p->size->out_width;
  const gnl_convolve convolve = convolution_of(&p->layer->window);
  const int seeds = p->layer->seeds;
  for (int i = 0; i < seeds; i++) {
    convolve_map(p, convolve, i, first, rows, x, padded, y + i * pixels + at);
    const int done = i % 4 + 1;  // four at a time, while they are in the first cache
    if (done == 4 || i == seeds - 1)
      add_squares(y + (i + 1 - done) * pixels + at, pixels, done, squares, count, i < 4);
  }
  finish_together(p, y, at, count, y, squares, sums);
}

// Pixels first … last − 1 of seed maps that are given, normalised.
static void band_of_pixels(const gnl_plain *p, size_t first, size_t last, const float *x, float *y, float *squares, float *sums) {
  const size_t pixels = pixels_of(p->size);
  for (int i = 0; i < p->layer->seeds; i += 4)
    add_squares(x + i * pixels + first, pixels, min_int(4, p->layer->seeds - i), squares, last - first, i == 0);
  finish_together(p, x, first, last - first, y, squares, sums);
}

static size_t share(size_t all, int band, int bands) { return all * band / bands; }

static void plain_band(const gnl_layer *l, const gnl_size *s, const float *packed, const float *x, float *y, int band,
                       void *scratch, float *sums) {
  const gnl_plain p = plain_of(l, s, packed);
  float *padded = scratch, *squares = padded + (l->given ? 0 : p.plane * l->inputs);
  if (!l->given) memset(padded, 0, p.plane * l->inputs * sizeof *padded);
  if (!l->normalize) {
    band_of_maps(&p, (int)share(l->seeds, band, s->bands), (int)share(l->seeds, band + 1, s->bands), x, y, padded, sums);
  } else if (l->given) {
    const size_t first = share(pixels_of(s), band, s->bands), last = share(pixels_of(s), band + 1, s->bands);
    if (first < last) band_of_pixels(&p, first, last, x, y, squares, sums);
  } else {
    const int rows = plain_rows_of_band(l, s), first = min_int(s->out_height, band * rows);
    const int count = min_int(rows, s->out_height - first);
    if (count > 0) band_of_rows(&p, first, count, x, y, squares, padded, sums);
  }
}

static const gnl_layer_kernels plain_kernels = {
    .packed_floats = plain_packed_floats,
    .pack = plain_pack,
    .bands = plain_bands,
    .scratch_bytes = plain_scratch_bytes,
    .band = plain_band,
};
