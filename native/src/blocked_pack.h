// Constants of a layer in blocks, packed: for each block of seed maps `inputs` filters, and for each block of outputs a
// record of what makes it from seed maps.
#pragma once

// Rows of a record, each of LANES floats or whole numbers.
enum {
  RECORD_SEED_SCALE,
  RECORD_SEED_SHIFT,
  RECORD_PRE_SCALE,
  RECORD_PRE_SHIFT,
  RECORD_EXPONENT,
  RECORD_POST_SCALE,
  RECORD_POST_SHIFT,
  RECORD_IS_SEED,       // masks: the rest of the lanes pads the block
  RECORD_IS_GENERATED,
  RECORD_SOURCE,        // which seed map each lane is made of
  RECORD_KIND,          // lane 0: a `record_kind`; lane 1: a `source_order`
  RECORD_ROWS
};
typedef enum { ALL_SEEDS, ALL_GENERATED, MIXED } record_kind;
typedef enum { NEIGHBOURS, ONE_BLOCK, SCATTERED } source_order;  // where the sources of the lanes stand

static int blocks_of(int channels) { return (channels + LANES - 1) / LANES; }
static int window_taps(const gnl_layer *l) { return l->given ? 0 : l->window.height * l->window.width; }
static int least(int a, int b) { return a < b ? a : b; }
static int most(int a, int b) { return a > b ? a : b; }

// Nothing but a convolution, a shift and an activation: it goes from the sums of products straight to the output.
static int convolves_alone(const gnl_layer *l) { return l->channels == l->seeds && l->inputs == 1 && !l->normalize && !l->given; }

// Whether the j-th inputs of a block of seed maps are a block of X, so that all of them add up lane by lane.
static int stands_apart(const gnl_layer *l, int block) {
  return l->inputs == 1 || (l->apart && block < l->seeds / LANES);
}

static size_t filter_floats(const gnl_layer *l) {
  return (size_t)blocks_of(l->seeds) * l->inputs * window_taps(l) * LANES;
}

static size_t blocked_packed_floats(const gnl_layer *l) {
  return filter_floats(l) + (size_t)blocks_of(l->channels) * RECORD_ROWS * LANES;
}

static const float *record_of(const gnl_layer *l, const float *packed, int block) {
  return packed + filter_floats(l) + (size_t)block * RECORD_ROWS * LANES;
}

// One filter of a block: lane by lane, that of the seed map and input that the lane of the `part`-th input block is.
// `scale` of the seed maps, where it goes into the filters.
static void pack_block_filter(const gnl_layer *l, const float *filters, const float *scale, int block, int part, float *to) {
  const int taps = window_taps(l), apart = stands_apart(l, block);
  for (int lane = 0; lane < LANES; lane++) {
    const size_t channel = ((size_t)block * l->inputs + part) * LANES + lane;
    const size_t seed = apart ? (size_t)block * LANES + lane : channel / l->inputs, input = apart ? (size_t)part : channel % l->inputs;
    const float by = seed < (size_t)l->seeds && scale ? scale[seed] : 1;
    for (int tap = 0; tap < taps; tap++)
      to[tap * LANES + lane] = seed < (size_t)l->seeds ? by * filters[(seed * l->inputs + input) * taps + tap] : 0;
  }
}

// What one lane is: a seed map, a generated one, or (beyond the last channel) nothing.
static void pack_lane(const gnl_layer *l, const float *seed, const float *generated, int channel, float *record, int lane) {
  const float turns = l->function == GNL_SINE ? 0.5f : 1;  // of the sine's argument in half turns
  const int t = channel - l->seeds, made = l->channels - l->seeds;
  int32_t source = channel < l->seeds ? channel : 0;
  const int32_t is_seed = t < 0 ? -1 : 0, is_generated = t >= 0 && channel < l->channels ? -1 : 0;
  if (is_seed)
    for (int row = 0; row < GNL_SEED_ROWS; row++)
      record[(RECORD_SEED_SCALE + row) * LANES + lane] = seed[(size_t)row * l->seeds + channel];
  if (is_generated) {
    source = gnl_source(l, t);
    for (int row = 0; row < GNL_GENERATED_ROWS; row++)
      record[(RECORD_PRE_SCALE + row) * LANES + lane] = generated[(size_t)row * made + t] * (row < GNL_EXPONENT ? turns : 1);
  }
  memcpy(record + RECORD_IS_SEED * LANES + lane, &is_seed, sizeof is_seed);
  memcpy(record + RECORD_IS_GENERATED * LANES + lane, &is_generated, sizeof is_generated);
  memcpy(record + RECORD_SOURCE * LANES + lane, &source, sizeof source);
}

// Sources of the first `count` lanes. Neighbours may go on with the first seed map after the last one, which is put there
// again where there is more than a block of seed maps.
static source_order order_of(const gnl_layer *l, const int32_t *source, int count) {
  int near = 1, one = 1;
  for (int lane = 1; lane < count; lane++) {
    near &= source[lane] == (source[0] + lane) % l->seeds;
    one &= source[lane] / LANES == source[0] / LANES;
  }
  const int wraps = source[0] + count > l->seeds;
  return near && !(wraps && l->seeds < LANES) ? NEIGHBOURS : one ? ONE_BLOCK : SCATTERED;
}

static void pack_record(const gnl_layer *l, const float *seed, const float *generated, int block, float *record) {
  memset(record, 0, RECORD_ROWS * LANES * sizeof *record);
  const int first = block * LANES, last = first + LANES;
  for (int lane = 0; lane < LANES; lane++) pack_lane(l, seed, generated, first + lane, record, lane);
  int32_t source[LANES];
  memcpy(source, record + RECORD_SOURCE * LANES, sizeof source);
  const int32_t kind = last <= l->seeds ? ALL_SEEDS : first >= l->seeds && last <= l->channels ? ALL_GENERATED : MIXED;
  const int32_t order = order_of(l, source, least(LANES, l->channels - first));
  memcpy(record + RECORD_KIND * LANES, &kind, sizeof kind);
  memcpy(record + RECORD_KIND * LANES + 1, &order, sizeof order);
}

static void blocked_pack(const gnl_layer *l, const float *filters, const float *seed, const float *generated, float *packed) {
  const size_t each = (size_t)window_taps(l) * LANES;
  const float *scale = convolves_alone(l) ? seed + GNL_SEED_SCALE * l->seeds : NULL;
  for (int block = 0; block < blocks_of(l->seeds) && each; block++)
    for (int part = 0; part < l->inputs; part++)
      pack_block_filter(l, filters, scale, block, part, packed + ((size_t)block * l->inputs + part) * each);
  for (int block = 0; block < blocks_of(l->channels); block++)
    pack_record(l, seed, generated, block, packed + filter_floats(l) + (size_t)block * RECORD_ROWS * LANES);
}
