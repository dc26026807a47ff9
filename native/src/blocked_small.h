// Layers whose seed maps are one block, or half of one, and whose generated maps are as many: the norm over channels is a
// sum over lanes, and the seed maps of a row stay in the first cache until they are outputs.
#pragma once

// A tile has an even number of pixels where two of them share a vector.
enum { TILE_PAIRS = (TILE + 1) / 2 };

typedef struct {
  convolution c;
  part_kernel kernel;
  lane_constants lanes;
  int halves, normalize;  // halves: both halves of the channels are in one block
  float epsilon;
} small_layer;

static int is_halves(const gnl_layer *l) { return 2 * l->seeds == LANES && l->inputs == 2; }

// Whether all inputs add up lane by lane, or are one block.
static int is_small(const gnl_layer *l) {
  const int one_block = l->seeds == LANES && stands_apart(l, 0);
  return !l->given && l->channels == 2 * l->seeds && l->function == GNL_SINE && (one_block || is_halves(l));
}

#if LANES == 16
#define SHUFFLE_LOW 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define SHUFFLE_HIGH 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define LANES_TWICE {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1}
#else
#define SHUFFLE_LOW 0, 1, 2, 3, 8, 9, 10, 11
#define SHUFFLE_HIGH 4, 5, 6, 7, 12, 13, 14, 15
#define LANES_TWICE {0, 0, 0, 0, 1, 1, 1, 1}
#endif
INLINE V low_halves(V a, V b) { return __builtin_shufflevector(a, b, SHUFFLE_LOW); }
INLINE V high_halves(V a, V b) { return __builtin_shufflevector(a, b, SHUFFLE_HIGH); }

// 1 / max(√square, epsilon), in lanes 0 … 7.
INLINE V eight_inverses(V square, float epsilon) {
#if LANES == 16  // a narrow division takes half as long
  const __m256 root = _mm256_sqrt_ps(_mm512_castps512_ps256((__m512)square));
  const __m256 inverse = _mm256_div_ps(_mm256_set1_ps(1), _mm256_max_ps(_mm256_set1_ps(epsilon), root));
  return (V)_mm512_castps256_ps512(inverse);
#else
  return set1(1) / vmax(set1(epsilon), vsqrt(square));
#endif
}

// The seed maps of a tile, each of a pixel or of two, and the inverse norms of its pixels.
typedef struct { V s[TILE], inverse; } seed_tile;

INLINE void measure_blocks(seed_tile *tile, const V s[TILE], const small_layer *layer) {
  V square[8] = {{0}};
  UNROLL for (int i = 0; i < TILE; i++) square[i] = s[i] * s[i], tile->s[i] = s[i];
  if (layer->normalize) tile->inverse = eight_inverses(lane_sums(square), layer->epsilon);
}

// Of the sums of products neighbouring lanes are added first.
INLINE void measure_halves(seed_tile *tile, const V products[TILE], const small_layer *layer) {
  V square[TILE_PAIRS];
  UNROLL for (int i = 0; i < TILE_PAIRS; i++) {
    const V s = pairs(products[2 * i], 2 * i + 1 < TILE ? products[2 * i + 1] : set1(0));
    square[i] = s * s, tile->s[i] = s;
  }
  const V sums = pairs(pairs(square[0], square[1]), pairs(square[2], square[3]));
  if (layer->normalize) tile->inverse = eight_inverses(LANES == 16 ? pairs(sums, sums) : sums, layer->epsilon);
}

// The tile's `count` outputs but for the first `again`, to one block after another.
INLINE void finish_blocks(const small_layer *layer, const seed_tile *tile, int count, int again, float *to, size_t image,
                          V total[2]) {
  const lane_constants *c = &layer->lanes;
  const float *inverse = (const float *)&tile->inverse;
  V s[TILE], y[TILE];
  UNROLL for (int i = 0; i < TILE; i++) s[i] = layer->normalize ? tile->s[i] * set1(inverse[i]) : tile->s[i];
  UNROLL for (int i = 0; i < TILE; i++) y[i] = output_of(c, s[i], ALL_SEEDS, GNL_SINE, GNL_NONE);
  total[0] += finish_tile(&layer->c, y, count, again, to);
  UNROLL for (int i = 0; i < TILE; i++) y[i] = output_of(c, s[i], ALL_GENERATED, GNL_SINE, GNL_NONE);
  total[1] += finish_tile(&layer->c, y, count, again, to + image);
}

// The same to one block.
INLINE void finish_halves(const small_layer *layer, const seed_tile *tile, int count, int again, float *to, V total[2]) {
  const lane_constants *c = &layer->lanes;
  const VI twice = LANES_TWICE;
  V y[2 * TILE_PAIRS];
  UNROLL for (int i = 0; i < TILE_PAIRS; i++) {
    const V s = layer->normalize ? tile->s[i] * permuted(tile->inverse, twice + 2 * i) : tile->s[i];
    const V made = output_of(c, s, ALL_GENERATED, GNL_SINE, GNL_NONE);
    const V seed = output_of(c, s, ALL_SEEDS, GNL_SINE, GNL_NONE);
    y[2 * i] = low_halves(seed, made), y[2 * i + 1] = high_halves(seed, made);
  }
  total[0] += finish_tile(&layer->c, y, count, again, to);
}

// The first pixel of the t-th tile of a row.
static int tile_start(int t, int out) { return least(t * TILE, most(0, out - TILE)); }

// The same windows from the column of output `start` on.
INLINE place place_in(const convolution *c, place row, int start) {
  const gnl_window *w = c->window;
  const int x = start * w->stride_x - w->pad_left, reach = (TILE - 1) * w->stride_x + (w->width - 1) * w->dilation_x + 1;
  return (place){row.filter, row.image + (ptrdiff_t)x * LANES, row.rows, most(0, -x), most(0, x + reach - c->size->in_width)};
}

// A row of outputs. All tiles are measured first, so that none waits for its own norms.
static void small_row(const small_layer *layer, int oy, seed_tile *row, float *y, size_t image, V total[2]) {
  const convolution *c = &layer->c;
  const place windows = place_of(c, oy);
  const int out = c->size->out_width, tiles = (out + TILE - 1) / TILE;
  for (int t = 0; t < tiles; t++) {
    const place p = place_in(c, windows, tile_start(t, out));
    V sum[TILE];
    layer->kernel(c, &p, c->parts, sum);
    if (layer->halves) measure_halves(row + t, sum, layer);
    else measure_blocks(row + t, sum, layer);
  }
  for (int t = 0; t < tiles; t++) {
    const int start = tile_start(t, out), again = t * TILE - start;
    float *to = y + (size_t)start * LANES;
    if (layer->halves) finish_halves(layer, row + t, least(TILE, out), again, to, total);
    else finish_blocks(layer, row + t, least(TILE, out), again, to, image, total);
  }
}

static size_t small_scratch_bytes(const gnl_size *z) { return (size_t)(z->out_width + TILE - 1) / TILE * sizeof(seed_tile); }

// Of seed maps of two pixels in a vector both have the constants of one.
static lane_constants small_constants(const gnl_layer *l, const float *packed) {
  lane_constants c = constants_of(record_of(l, packed, 0));
  if (!is_halves(l)) {
    const lane_constants made = constants_of(record_of(l, packed, 1));
    c.pre_scale = made.pre_scale, c.pre_shift = made.pre_shift, c.post_scale = made.post_scale, c.post_shift = made.post_shift;
    return c;
  }
  V *low[] = {&c.seed_scale, &c.seed_shift}, *high[] = {&c.pre_scale, &c.pre_shift, &c.post_scale, &c.post_shift};
  for (int i = 0; i < 2; i++) *low[i] = low_halves(*low[i], *low[i]);
  for (int i = 0; i < 4; i++) *high[i] = high_halves(*high[i], *high[i]);
  return c;
}

static void small_band(const gnl_layer *l, const convolution *c, const float *packed, int from, int to, float *y,
                       seed_tile *scratch, float *sums) {
  const size_t row = (size_t)c->size->out_width * LANES, image = c->size->out_height * row;
  const small_layer layer = {.c = *c, .kernel = conv_kernels_of(c->window)->tile, .lanes = small_constants(l, packed),
                             .halves = is_halves(l), .normalize = l->normalize, .epsilon = l->epsilon};
  V all[2] = {{0}}, some[2] = {{0}};  // sums of all rows and of the last few: less is lost by rounding
  for (int oy = from; oy < to; oy++) {
    V added[2] = {{0}};
    small_row(&layer, oy, scratch, y + oy * row, image, added);
    for (int i = 0; i < 2; i++) some[i] += added[i];
    if ((oy - from) % 8 == 7)
      for (int i = 0; i < 2; i++) all[i] += some[i], some[i] = set1(0);
  }
  for (int i = 0; sums && i < blocks_of(l->channels); i++) st(sums + i * LANES, ld(sums + i * LANES) + (all[i] + some[i]));
}
