// A layer by itself, for a runtime that calls functions: ncnn, whose package for Python takes layers from outside.
//
// Nobody is believed here either: every number is held against the limits, and the constants against the numbers.
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "groupnl_native.h"
#include "limits.h"
#include "memory.h"
#include "window.h"

#define EXPORTED __attribute__((visibility("default")))
#define REQUIRE(condition, reason) \
  if (!(condition)) return *why = reason, 0

enum { ALONE_RIGHT, ALONE_STARVED, ALONE_WRONG_SIZE };

typedef struct {
  gnl_layer layer;
  const gnl_layer_kernels *kernels;
  float *packed;
} alone;

// OpenMP's own way to run a function on each of its threads, `GOMP_parallel`, of the runtime's own library.
typedef void (*parallel)(void (*function)(void *), void *job, unsigned threads, unsigned flags);

static int within(int value, int least, int most) { return least <= value && value <= most; }

static int is_window(const gnl_window *w, const char **why) {
  REQUIRE(within(w->height, 1, GNL_MOST_REACH) && within(w->width, 1, GNL_MOST_REACH), "its filters have no such size");
  REQUIRE(within(w->stride_y, 1, GNL_MOST_REACH) && within(w->stride_x, 1, GNL_MOST_REACH), "there is no such stride");
  REQUIRE(within(w->dilation_y, 1, GNL_MOST_REACH) && within(w->dilation_x, 1, GNL_MOST_REACH),
          "there is no such dilation");
  REQUIRE(gnl_reach(w->height, w->dilation_y) <= GNL_MOST_REACH && gnl_reach(w->width, w->dilation_x) <= GNL_MOST_REACH,
          "its filters reach too far");
  REQUIRE(w->pad_top >= 0 && w->pad_bottom >= 0 && w->pad_left >= 0 && w->pad_right >= 0, "its pads are negative");
  REQUIRE(gnl_pads_fit(w), "its pads are larger than its filters' reach");
  return 1;
}

static int is_point(const gnl_window *w) {
  return w->height == 1 && w->width == 1 && w->stride_y == 1 && w->stride_x == 1;
}

static const gnl_layer_kernels *kernels_of(const gnl_layer *layer) {
  const gnl_kernels *best = gnl_best();
  if (layer->block == 0) return best->plain;
  return layer->block == best->block ? best->blocked : NULL;
}

static int is_layer(const gnl_layer *l, const char **why) {
  REQUIRE(within(l->seeds, 1, GNL_MOST_CHANNELS) && within(l->inputs, 1, GNL_MOST_CHANNELS) &&
              (int64_t)l->seeds * l->inputs <= GNL_MOST_CHANNELS,
          "it has no such number of seed maps");
  REQUIRE(within(l->channels, l->seeds, GNL_MOST_CHANNELS), "it has no such number of channels");
  REQUIRE(within(l->nl_groups, 1, l->seeds) && l->seeds % l->nl_groups == 0, "its groups do not share its seed maps");
  REQUIRE(within(l->function, 0, GNL_FUNCTIONS - 1), "there is no such function");
  REQUIRE(within(l->activation, 0, GNL_ACTIVATIONS - 1), "there is no such activation");
  REQUIRE(within(l->normalize, 0, 1) && within(l->given, 0, 1), "it is told something that is neither yes nor no");
  REQUIRE(within(l->apart, 0, l->block ? 1 : 0), "its channels cannot stand apart");
  REQUIRE(isfinite(l->epsilon) && l->epsilon >= 0, "its least norm is none");
  REQUIRE(kernels_of(l) != NULL, "this processor's kernels have no such blocks");
  if (!is_window(&l->window, why)) return 0;
  REQUIRE(!l->given || (l->inputs == 1 && is_point(&l->window)), "its seed maps are given, and it has filters");
  return 1;
}

static size_t filter_floats(const gnl_layer *l) {
  return l->given ? 0 : (size_t)l->seeds * l->inputs * l->window.height * l->window.width;
}

// The block of this processor's kernels; 0 where they have none.
EXPORTED int groupnl_layer_block(void) { return gnl_best()->block; }

// How many constants a layer has: filters (seeds, inputs, kh, kw) unless the seed maps are given, then S (2, seeds), then
// G (5, channels − seeds); 0, and why, where there is no such layer.
EXPORTED size_t groupnl_layer_floats(const gnl_layer *l, const char **why) {
  if (!is_layer(l, why)) return 0;
  return filter_floats(l) + (size_t)GNL_SEED_ROWS * l->seeds + (size_t)GNL_GENERATED_ROWS * (l->channels - l->seeds);
}

// A layer with as many constants as `groupnl_layer_floats` says, which are not kept; NULL, and why.
EXPORTED void *groupnl_layer_new(const gnl_layer *layer, const float *constants, const char **why) {
  if (groupnl_layer_floats(layer, why) == 0) return NULL;
  alone *self = calloc(1, sizeof *self);
  const gnl_layer_kernels *kernels = kernels_of(layer);
  float *packed = gnl_allocate(kernels->packed_floats(layer) * sizeof(float));
  if (self == NULL || packed == NULL) {
    free(self), free(packed);
    return *why = "there is no memory for its constants", NULL;
  }
  *self = (alone){*layer, kernels, packed};
  const float *seed = constants + filter_floats(layer), *generated = seed + (size_t)GNL_SEED_ROWS * layer->seeds;
  kernels->pack(layer, layer->given ? NULL : constants, seed, layer->channels > layer->seeds ? generated : NULL, packed);
  gnl_node_lives();
  return self;
}

EXPORTED void groupnl_layer_free(void *layer) {
  if (layer == NULL) return;
  free(((alone *)layer)->packed);
  free(layer);
  gnl_node_dies();
}

// The size of what comes out of an image, height and width; 0 where the window does not fit in.
EXPORTED int groupnl_layer_size(const void *layer, int height, int width, int out[2]) {
  const gnl_window *w = &((const alone *)layer)->layer.window;
  return height > 0 && width > 0 && gnl_out_size(w, height, width, &out[0], &out[1]) == GNL_FITS;
}

// A run: whoever is free takes the next band.
typedef struct {
  const alone *self;
  gnl_size size;
  size_t scratch_bytes;
  const float *x;
  float *y;
  atomic_int next, starved;
} run;

static void share(void *job) {
  run *r = job;
  for (int band; (band = atomic_fetch_add(&r->next, 1)) < r->size.bands;) {
    void *scratch = gnl_borrow(r->scratch_bytes);
    if (scratch == NULL) {
      r->starved = 1;
      return;
    }
    r->self->kernels->band(&r->self->layer, &r->size, r->self->packed, r->x, r->y, band, scratch, NULL);
    gnl_return(scratch);
  }
}

// Planes of `floats` each, from one distance to another.
static void move_planes(float *to, size_t to_step, const float *from, size_t from_step, size_t planes, size_t floats) {
  for (size_t i = 0; i < planes; i++) memcpy(to + i * to_step, from + i * from_step, floats * sizeof(float));
}

static void compute(run *r, parallel together, unsigned threads) {
  if (together != NULL && threads > 1 && r->size.bands > 1)
    together(share, r, threads, 0);
  else
    share(r);
}

// The kernels know no gaps between planes: what has some is computed in memory that has none.
static int compute_dense(run *r, size_t x_step, size_t y_step, parallel together, unsigned threads) {
  const gnl_layer *l = &r->self->layer;
  const size_t in = (size_t)r->size.in_height * r->size.in_width, out = (size_t)r->size.out_height * r->size.out_width;
  const size_t inputs = (size_t)l->seeds * l->inputs, outputs = (size_t)l->channels;
  float *x = x_step == in ? NULL : gnl_borrow(inputs * in * sizeof(float));
  float *y = y_step == out ? NULL : gnl_borrow(outputs * out * sizeof(float)), *into = r->y;
  const int starved = (x == NULL && x_step != in) || (y == NULL && y_step != out);
  if (!starved) {
    if (x != NULL) move_planes(x, in, r->x, x_step, inputs, in), r->x = x;
    if (y != NULL) r->y = y;
    compute(r, together, threads);
    if (y != NULL) move_planes(into, y_step, y, out, outputs, out);
  }
  gnl_return(x), gnl_return(y);
  return starved || r->starved ? ALONE_STARVED : ALONE_RIGHT;
}

// One image, (channels, height, width) or in the layer's blocks. A step is how many floats lie between the beginnings of
// two planes (or blocks of planes), which in blocks have no gap. `together`: NULL for one thread.
EXPORTED int groupnl_layer_run(const void *layer, parallel together, unsigned threads, const float *x, size_t x_step,
                               int height, int width, float *y, size_t y_step) {
  run r = {.self = layer, .x = x, .y = y};
  const alone *self = r.self;
  int out[2];
  if (!groupnl_layer_size(layer, height, width, out)) return ALONE_WRONG_SIZE;
  r.size = (gnl_size){height, width, out[0], out[1], 1};
  const size_t in = (size_t)height * width, made = (size_t)out[0] * out[1], block = (size_t)self->layer.block;
  if (block ? x_step != in * block || y_step != made * block : x_step < in || y_step < made) return ALONE_WRONG_SIZE;
  r.size.bands = self->kernels->bands(&self->layer, &r.size);
  r.scratch_bytes = self->kernels->scratch_bytes(&self->layer, &r.size);
  return compute_dense(&r, block ? in : x_step, block ? made : y_step, together, threads);
}
