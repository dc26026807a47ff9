// From the seed maps of some pixels to all outputs: the norm, the activation function, scale and shift, the activation.
#pragma once

// Pixels that are computed side by side, whose outputs are added up, and whose norms are.
enum { CHUNK = 4, SPAN = 64, NORMS = LANES < 8 ? LANES : 8 };

// Seed maps of `pixels` pixels: seed map i of a pixel stands i / LANES blocks and i % LANES floats from its first.
typedef struct {
  const float *first;
  size_t pixel_step, block_step;  // floats
  const float *inverse;           // 1 / norm of each pixel, NULL for none
  int pixels;
} seed_maps;

// Sums of NORMS vectors, in the first NORMS lanes.
INLINE V lane_sums(const V v[NORMS]) {
  V sums = pairs(pairs(v[0], v[1]), pairs(v[2], v[3]));
#if LANES > 4
  sums = pairs(sums, pairs(pairs(v[4], v[5]), pairs(v[6], v[7])));
#endif
  return LANES == 16 ? pairs(sums, sums) : sums;
}

// 1 / max(norm over the seed maps, epsilon) of every pixel. Up to LANES floats after the last one are written.
APART void inverse_norms(const seed_maps *s, int blocks, float epsilon, float *inverse) {
  for (int i = 0; i < s->pixels; i += NORMS) {
    const float *from[NORMS];
    V square[NORMS];
    UNROLL for (int j = 0; j < NORMS; j++) from[j] = s->first + least(i + j, s->pixels - 1) * s->pixel_step, square[j] = set1(0);
    for (int block = 0; block < blocks; block++)
      UNROLL for (int j = 0; j < NORMS; j++) {
        const V v = ld(from[j] + block * s->block_step);
        square[j] = vfma(v, v, square[j]);
      }
    st(inverse + i, set1(1) / vmax(set1(epsilon), vsqrt(lane_sums(square))));
  }
}

INLINE V gathered(const float *from, VI at) {
#if LANES == 16
  return (V)_mm512_i32gather_ps((__m512i)at, from, 4);
#elif LANES == 4
  return (V){from[at[0]], from[at[1]], from[at[2]], from[at[3]]};
#else
  return (V)_mm256_i32gather_ps(from, (__m256i)at, 4);
#endif
}

INLINE V permuted(V v, VI at) {
#if LANES == 16
  return (V)_mm512_permutexvar_ps((__m512i)at, (__m512)v);
#elif LANES == 4
  return (V){v[at[0] & 3], v[at[1] & 3], v[at[2] & 3], v[at[3] & 3]};
#else
  return (V)_mm256_permutevar8x32_ps((__m256)v, (__m256i)at);
#endif
}

// The seed maps that the lanes are made of.
INLINE V sources_of(const float *from, VI source, source_order order) {
  if (order == NEIGHBOURS) return ld(from);
  return order == ONE_BLOCK ? permuted(ld(from), source) : gathered(from, source);
}

// A record, in registers.
typedef struct {
  V seed_scale, seed_shift, pre_scale, pre_shift, exponent, post_scale, post_shift;
  VI is_seed, is_generated;
} lane_constants;

INLINE lane_constants constants_of(const float *record) {
  return (lane_constants){.seed_scale = ld(record + RECORD_SEED_SCALE * LANES),
                          .seed_shift = ld(record + RECORD_SEED_SHIFT * LANES),
                          .pre_scale = ld(record + RECORD_PRE_SCALE * LANES),
                          .pre_shift = ld(record + RECORD_PRE_SHIFT * LANES),
                          .exponent = ld(record + RECORD_EXPONENT * LANES),
                          .post_scale = ld(record + RECORD_POST_SCALE * LANES),
                          .post_shift = ld(record + RECORD_POST_SHIFT * LANES),
                          .is_seed = (VI)ld(record + RECORD_IS_SEED * LANES),
                          .is_generated = (VI)ld(record + RECORD_IS_GENERATED * LANES)};
}

INLINE V output_of(const lane_constants *c, V s, record_kind kind, int function, int activation) {
  const V seed = vfma(c->seed_scale, s, c->seed_shift);
  if (kind == ALL_SEEDS) return activate(activation, seed);
  const V u = vfma(c->pre_scale, s, c->pre_shift);
  const V made = vfma(c->post_scale, function == GNL_SINE ? sin_turns(u) : apply_function(function, u, c->exponent), c->post_shift);
  if (kind == ALL_GENERATED) return activate(activation, made);
  const V v = activate(activation, vselect(c->is_seed, seed, made));
  return (V)((VI)v & (c->is_seed | c->is_generated));
}

// Outputs of `count` pixels of a block, one after another in `y`; their sum. `from`: the sources of the first pixel.
INLINE V pixel_outputs(const lane_constants *c, const float *from, size_t step, VI source, source_order order,
                       const float *inverse, int count, record_kind kind, int function, int activation, float *y) {
  V total[CHUNK] = {{0}};
  int i = 0;
#define PIXELS(COUNT)                                                         \
  for (; i + COUNT <= count; i += COUNT)                                      \
    UNROLL for (int j = 0; j < COUNT; j++) {                                  \
      V v = sources_of(from + (i + j) * step, source, order);                   \
      if (inverse) v *= set1(inverse[i + j]);                                 \
      v = output_of(c, v, kind, function, activation);                        \
      total[j] += v;                                                          \
      st(y + (size_t)(i + j) * LANES, v);                                     \
    }
  PIXELS(CHUNK)
  PIXELS(1)
#undef PIXELS
  return (total[0] + total[1]) + (total[2] + total[3]);
}

// One block of outputs, and their sum, which is added up in spans for the sake of its rounding.
INLINE V block_outputs(const seed_maps *s, const float *record, float *y, record_kind kind, source_order order,
                       int function, int activation) {
  const lane_constants c = constants_of(record);
  const VI source = (VI)ld(record + RECORD_SOURCE * LANES), lane = source - source[0] / LANES * LANES;
  const VI index = order == SCATTERED ? source : lane;
  const int in_block = order == NEIGHBOURS ? source[0] % LANES : 0;
  const float *from = order == SCATTERED ? s->first : s->first + source[0] / LANES * s->block_step + in_block;
  V total = set1(0);
  for (int i = 0; i < s->pixels; i += SPAN) {
    const int count = least(SPAN, s->pixels - i);
    const float *at = from + i * s->pixel_step;
    float *to = y + (size_t)i * LANES;
    const float *inverse = s->inverse ? s->inverse + i : NULL;
    if (inverse) total += pixel_outputs(&c, at, s->pixel_step, index, order, inverse, count, kind, function, activation, to);
    else total += pixel_outputs(&c, at, s->pixel_step, index, order, NULL, count, kind, function, activation, to);
  }
  return total;
}

// The kinds of blocks and functions that networks are made of have loops of their own.
#define OUTPUTS(A)                                                                                                    \
  APART V outputs_##A(const seed_maps *s, const float *record, float *y, record_kind kind, source_order order, int function) {  \
    const int sine = function == GNL_SINE;                                                                            \
    if (kind == ALL_SEEDS) return block_outputs(s, record, y, ALL_SEEDS, NEIGHBOURS, function, A);                    \
    if (sine && kind == ALL_GENERATED && order == NEIGHBOURS)                                                         \
      return block_outputs(s, record, y, ALL_GENERATED, NEIGHBOURS, GNL_SINE, A);                                     \
    if (sine && order == NEIGHBOURS) return block_outputs(s, record, y, MIXED, NEIGHBOURS, GNL_SINE, A);              \
    if (sine && order == ONE_BLOCK) return block_outputs(s, record, y, MIXED, ONE_BLOCK, GNL_SINE, A);                \
    return block_outputs(s, record, y, kind, order, function, A);                                                     \
  }
OUTPUTS(GNL_NONE) OUTPUTS(GNL_RELU) OUTPUTS(GNL_RELU6) OUTPUTS(GNL_HARDSWISH)
OUTPUTS(GNL_SILU) OUTPUTS(GNL_HARDSIGMOID) OUTPUTS(GNL_SIGMOID)
#undef OUTPUTS

typedef V (*outputs_kernel)(const seed_maps *, const float *record, float *y, record_kind kind, source_order order, int function);
static const outputs_kernel outputs_kernels[GNL_ACTIVATIONS] = {
    [GNL_NONE] = outputs_GNL_NONE,   [GNL_RELU] = outputs_GNL_RELU, [GNL_RELU6] = outputs_GNL_RELU6,
    [GNL_HARDSWISH] = outputs_GNL_HARDSWISH, [GNL_SILU] = outputs_GNL_SILU,
    [GNL_HARDSIGMOID] = outputs_GNL_HARDSIGMOID, [GNL_SIGMOID] = outputs_GNL_SIGMOID};

// All blocks of outputs of some pixels. `y`: the first of them; `image`: floats of one block's image.
static void all_outputs(const gnl_layer *l, const float *packed, const seed_maps *s, float *y, size_t image, float *sums) {
  for (int block = 0; block < blocks_of(l->channels); block++) {
    const float *record = record_of(l, packed, block);
    const VI kind = (VI)ld(record + RECORD_KIND * LANES);
    const V total = outputs_kernels[l->activation](s, record, y + block * image, (record_kind)kind[0],
                                                   (source_order)kind[1], l->function);
    if (sums) st(sums + block * LANES, ld(sums + block * LANES) + total);
  }
}
