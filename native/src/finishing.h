// From seed maps to the channels of the output, plain layout: passes over `count` neighbouring floats of one map.
// A pass may write its seed half over the seed maps that it reads.
#pragma once
#include "functions.h"
#include "plain_planes.h"

typedef struct {
  const float *raw, *inverse;  // the seed map; the inverse norms of its pixels, NULL for none
  float *seed, *generated;     // where they go; NULL for none
  size_t count;
  float scale, shift;  // of the seed half; these and the last two come times `scale_before` of the activation
  float pre_scale, pre_shift, exponent;   // of the generated half
  float post_scale, post_shift;
} gnl_map;

#if defined(__AVX512F__) || defined(__aarch64__)
#define MAP_VECTORS 2  // at a time, since one alone waits for its own results
#else
#define MAP_VECTORS 1  // 16 registers do not hold more
#endif

INLINE V read_map(const gnl_map *map, int normalized, size_t at, size_t lanes) {
  const float *raw = map->raw + at, *inverse = map->inverse + at;
  if (lanes == LANES) return normalized ? ld(raw) * ld(inverse) : ld(raw);
  return normalized ? ld_part(raw, (int)lanes) * ld_part(inverse, (int)lanes) : ld_part(raw, (int)lanes);
}

// STEP(s, vectors, at, lanes) for all floats of the map from `at` on: `vectors` vectors s, of which `lanes` lanes count.
#define OVER_MAP(map, normalized, STEP)                                                                  \
  do {                                                                                                   \
    const gnl_map map_ = *(map);                                                                         \
    V s_[MAP_VECTORS];                                                                                   \
    size_t i_ = 0;                                                                                       \
    for (; MAP_VECTORS > 1 && i_ + MAP_VECTORS * LANES <= map_.count; i_ += MAP_VECTORS * LANES) {       \
      UNROLL for (int j_ = 0; j_ < MAP_VECTORS; j_++) s_[j_] = read_map(&map_, normalized, i_ + j_ * LANES, LANES); \
      STEP(s_, MAP_VECTORS, i_, LANES)                                                                   \
    }                                                                                                    \
    for (; i_ + LANES <= map_.count; i_ += LANES) {                                                      \
      s_[0] = read_map(&map_, normalized, i_, LANES);                                                    \
      STEP(s_, 1, i_, LANES)                                                                             \
    }                                                                                                    \
    if (i_ < map_.count) {                                                                               \
      s_[0] = read_map(&map_, normalized, i_, map_.count - i_);                                          \
      STEP(s_, 1, i_, map_.count - i_)                                                                   \
    }                                                                                                    \
  } while (0)

INLINE void put(float *to, size_t at, const V *v, int vectors, size_t lanes) {
  UNROLL for (int j = 0; j < vectors; j++) {
    if (lanes == LANES) st(to + at + j * LANES, v[j]);
    else st_part(to + at, v[j], (int)lanes);
  }
}

INLINE void seed_pass(const gnl_map *map, int normalized, int activation) {
  const V scale = set1(map->scale), shift = set1(map->shift);
  float *to = map->seed;
  V y[MAP_VECTORS];
#define STEP(s, vectors, at, lanes)                                                                              \
  UNROLL for (int j = 0; j < vectors; j++) y[j] = activate_scaled(activation, vfma(scale, s[j], shift));         \
  put(to, at, y, vectors, lanes);
  OVER_MAP(map, normalized, STEP);
#undef STEP
}

INLINE void sine_pass(const gnl_map *map, int with_seed, int normalized, int activation) {
  const gnl_sine sine = sine_times(map->post_scale);
  const V scale = set1(map->scale), shift = set1(map->shift);
  const V pre_scale = set1(map->pre_scale), pre_shift = set1(map->pre_shift), post_shift = set1(map->post_shift);
  float *seed = map->seed, *generated = map->generated;
  V y[MAP_VECTORS], z[MAP_VECTORS];
#define STEP(s, vectors, at, lanes)                                                                              \
  UNROLL for (int j = 0; j < vectors; j++) {                                                                     \
    if (with_seed) y[j] = activate_scaled(activation, vfma(scale, s[j], shift));                                 \
    z[j] = activate_scaled(activation, sine_plus(&sine, vfma(pre_scale, s[j], pre_shift), post_shift));          \
  }                                                                                                              \
  if (with_seed) put(seed, at, y, vectors, lanes);                                                               \
  put(generated, at, z, vectors, lanes);
  OVER_MAP(map, normalized, STEP);
#undef STEP
}

// Any function but the sine, whose own pass is the fast one.
INLINE void function_pass(const gnl_map *map, int normalized, int function) {
  const V pre_scale = set1(map->pre_scale), pre_shift = set1(map->pre_shift), exponent = set1(map->exponent);
  const V post_scale = set1(map->post_scale), post_shift = set1(map->post_shift);
  float *to = map->generated;
  V y[MAP_VECTORS];
#define STEP(s, vectors, at, lanes)                                                                              \
  UNROLL for (int j = 0; j < vectors; j++)                                                                       \
    y[j] = vfma(post_scale, apply_function(function, vfma(pre_scale, s[j], pre_shift), exponent), post_shift);   \
  put(to, at, y, vectors, lanes);
  OVER_MAP(map, normalized, STEP);
#undef STEP
}

typedef void (*gnl_pass)(const gnl_map *);

// One function of each kind for every activation, with and without a norm: passes[normalized][activation].
#define PASS(name, normalized, activation, call) \
  APART void name##_##normalized##activation(const gnl_map *map) { call; }
#define PASSES_OF(name, normalized, PASS_OF)                                                                  \
  PASS_OF(name, normalized, 0) PASS_OF(name, normalized, 1) PASS_OF(name, normalized, 2)                      \
  PASS_OF(name, normalized, 3) PASS_OF(name, normalized, 4) PASS_OF(name, normalized, 5) PASS_OF(name, normalized, 6)
#define PASSES(name, PASS_OF)                                                                                 \
  PASSES_OF(name, 0, PASS_OF) PASSES_OF(name, 1, PASS_OF)                                                     \
  static const gnl_pass name[2][GNL_ACTIVATIONS] = {                                                          \
      {name##_00, name##_01, name##_02, name##_03, name##_04, name##_05, name##_06},                          \
      {name##_10, name##_11, name##_12, name##_13, name##_14, name##_15, name##_16}};

#define SEED(name, n, a) PASS(name, n, a, seed_pass(map, n, a))
#define SINE(name, n, a) PASS(name, n, a, sine_pass(map, 0, n, a))
#define SEED_AND_SINE(name, n, a) PASS(name, n, a, sine_pass(map, 1, n, a))
PASSES(seed_passes, SEED)
PASSES(sine_passes, SINE)
PASSES(seed_and_sine_passes, SEED_AND_SINE)

#define FUNCTION(n, f) \
  APART void function_pass_##n##f(const gnl_map *map) { function_pass(map, n, f); }
FUNCTION(0, 1) FUNCTION(0, 2) FUNCTION(0, 3) FUNCTION(0, 4) FUNCTION(1, 1) FUNCTION(1, 2) FUNCTION(1, 3) FUNCTION(1, 4)
static const gnl_pass function_passes[2][GNL_FUNCTIONS] = {
    {NULL, function_pass_01, function_pass_02, function_pass_03, function_pass_04},
    {NULL, function_pass_11, function_pass_12, function_pass_13, function_pass_14}};

// y = act(y / scale_before)
static void activate_in_place(float *y, size_t count, int activation) {
  const gnl_map map = {.raw = y, .seed = y, .count = count, .scale = 1, .shift = 0};
  if (activation != GNL_NONE) seed_passes[0][activation](&map);
}

// The seed half goes last, for it may be written over the seed map.
static void finish_map(gnl_map *map, int function, int activation) {
  const int normalized = map->inverse != NULL;
  if (map->generated && function == GNL_SINE) {
    (map->seed ? seed_and_sine_passes : sine_passes)[normalized][activation](map);
    return;
  }
  if (map->generated) {
    function_passes[normalized][function](map);
    activate_in_place(map->generated, map->count, activation);
  }
  if (map->seed) seed_passes[normalized][activation](map);
}

// By halves, so that its error does not grow with the map.
static float sum_of(const float *y, size_t count) {
  if (count > 64 * LANES) {
    const size_t half = count / 2 / LANES * LANES;
    return sum_of(y, half) + sum_of(y + half, count - half);
  }
  V sums[4] = {{0}, {0}, {0}, {0}};
  size_t i = 0;
  for (; i + 4 * LANES <= count; i += 4 * LANES)
    for (int j = 0; j < 4; j++) sums[j] += ld(y + i + j * LANES);
  for (; i + LANES <= count; i += LANES) sums[0] += ld(y + i);
  if (i < count) sums[1] += ld_part(y + i, (int)(count - i));
  const V all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  float lanes[LANES], sum = 0;
  st(lanes, all);
  for (int j = 0; j < LANES; j++) sum += lanes[j];
  return sum;
}

// squares = the sum of the squares of `maps` maps, `stride` floats apart, added to what is there unless `fresh`.
// `squares` has room for whole vectors.
INLINE void squares_of(const float *from, size_t stride, int maps, float *squares, size_t count, int fresh) {
  for (size_t i = 0; i < count; i += LANES) {
    V sum = fresh ? set1(0) : ld(squares + i);
    for (int m = 0; m < maps; m++) {
      const float *at = from + m * stride + i;
      const V s = i + LANES <= count ? ld(at) : ld_part(at, (int)(count - i));
      sum = vfma(s, s, sum);
    }
    st(squares + i, sum);
  }
}
APART void squares_of_four(const float *from, size_t stride, float *squares, size_t count, int fresh) {
  squares_of(from, stride, 4, squares, count, fresh);
}
APART void squares_of_few(const float *from, size_t stride, int maps, float *squares, size_t count, int fresh) {
  squares_of(from, stride, maps, squares, count, fresh);
}
static void add_squares(const float *from, size_t stride, int maps, float *squares, size_t count, int fresh) {
  if (maps == 4) squares_of_four(from, stride, squares, count, fresh);
  else squares_of_few(from, stride, maps, squares, count, fresh);
}

// squares → 1 / max(√squares, epsilon), finite, so that a map of zeros stays one
static void invert_norms(float *squares, size_t count, float epsilon) {
  const V least = set1(epsilon), greatest = set1(3.40282347e38f), one = set1(1);
  for (size_t i = 0; i < count; i += LANES) {
    const V norm = vmax(least, vsqrt(ld(squares + i)));
    st(squares + i, vmin(greatest, one / norm));
  }
}
