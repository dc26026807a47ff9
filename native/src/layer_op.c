// GroupNL, Generate and Depthwise: three ways to describe a layer, one way to run it.
#include <stdlib.h>
#include <string.h>

#include "attributes.h"
#include "memory.h"
#include "threads.h"
#include "window.h"

typedef struct {
  gnl_node node;
  gnl_layer layer;
  const gnl_layer_kernels *kernels;
  float *packed;
} layer_node;

typedef struct { gnl_tensor filters, seed, generated; } constants;

static const gnl_window POINT = {1, 1, 1, 1, 1, 1, 0, 0, 0, 0};

static OrtStatus *read_window(const gnl_node *node, const OrtKernelInfo *info, const gnl_tensor *filters,
                              gnl_window *w) {
  for (int i = 2; i < 4; i++)
    if (filters->dims[i] > GNL_MOST_REACH)
      return gnl_fail(node, "the filters are %lld pixels long", (long long)filters->dims[i]);
  w->height = (int)filters->dims[2], w->width = (int)filters->dims[3];
  TRY(gnl_read_ints(node, info, "strides", 2, 1, GNL_MOST_REACH, (int *[]){&w->stride_y, &w->stride_x}));
  TRY(gnl_read_ints(node, info, "dilations", 2, 1, GNL_MOST_REACH, (int *[]){&w->dilation_y, &w->dilation_x}));
  const int64_t reach_y = gnl_reach(w->height, w->dilation_y), reach_x = gnl_reach(w->width, w->dilation_x);
  if (reach_y > GNL_MOST_REACH || reach_x > GNL_MOST_REACH)
    return gnl_fail(node, "the filters reach over %lld x %lld pixels", (long long)reach_y, (long long)reach_x);
  TRY(gnl_read_ints(node, info, "pads", 4, 0, GNL_MOST_REACH,
                    (int *[]){&w->pad_top, &w->pad_left, &w->pad_bottom, &w->pad_right}));
  if (!gnl_pads_fit(w))
    return gnl_fail(node, "pads are larger than the filters' reach of %d and %d pixels", (int)reach_y, (int)reach_x);
  return NULL;
}

// Seed maps and what is generated of them.
static OrtStatus *read_generation(const gnl_node *node, const OrtKernelInfo *info, int64_t seeds, gnl_layer *layer) {
  if (seeds > GNL_MOST_CHANNELS) return gnl_fail(node, "there are %lld seed maps", (long long)seeds);
  layer->seeds = (int)seeds;
  TRY(gnl_read_int(node, info, "channels", layer->seeds, GNL_MOST_CHANNELS, &layer->channels));
  TRY(gnl_read_int(node, info, "nl_groups", 1, layer->seeds, &layer->nl_groups));
  if (layer->seeds % layer->nl_groups != 0)
    return gnl_fail(node, "%d seed maps are no multiple of nl_groups, %d", layer->seeds, layer->nl_groups);
  TRY(gnl_read_int(node, info, "function", 0, GNL_FUNCTIONS - 1, &layer->function));
  TRY(gnl_read_int(node, info, "normalize", 0, 1, &layer->normalize));
  return layer->normalize ? gnl_read_float(node, info, "epsilon", &layer->epsilon) : NULL;
}

static OrtStatus *read_rows(const gnl_node *node, const OrtKernelInfo *info, size_t input, const char *what, int rows,
                            int columns, gnl_tensor *tensor) {
  TRY(gnl_read_constant(node, info, input, what, 2, tensor));
  if (tensor->dims[0] == rows && tensor->dims[1] == columns) return NULL;
  return gnl_fail(node, "%s is %lld x %lld, not %d x %d", what, (long long)tensor->dims[0], (long long)tensor->dims[1],
                  rows, columns);
}

// S and G, from this input on.
static OrtStatus *read_parameters(const gnl_node *node, const OrtKernelInfo *info, size_t input,
                                  const gnl_layer *layer, constants *read) {
  TRY(read_rows(node, info, input, "S", GNL_SEED_ROWS, layer->seeds, &read->seed));
  const int generated = layer->channels - layer->seeds;
  if (generated == 0) return NULL;
  return read_rows(node, info, input + 1, "G", GNL_GENERATED_ROWS, generated, &read->generated);
}

static OrtStatus *read_filters(const gnl_node *node, const OrtKernelInfo *info, constants *read, gnl_layer *layer) {
  TRY(gnl_read_constant(node, info, 1, "W", 4, &read->filters));
  const int64_t *dims = read->filters.dims;
  if (dims[0] * dims[1] > GNL_MOST_CHANNELS)
    return gnl_fail(node, "W reads %lld x %lld channels", (long long)dims[0], (long long)dims[1]);
  layer->inputs = (int)dims[1];
  return read_window(node, info, &read->filters, &layer->window);
}

// Takes the kernels of the layout and lets them arrange the constants.
static OrtStatus *pack(layer_node *self, const constants *read) {
  const gnl_node *node = &self->node;
  self->kernels = self->layer.block ? node->kernels->blocked : node->kernels->plain;
  if (self->kernels == NULL) return gnl_fail(node, "there are no %s kernels of this layout", node->kernels->name);
  const size_t bytes = self->kernels->packed_floats(&self->layer) * sizeof(float);
  self->packed = gnl_allocate(bytes);
  if (self->packed == NULL) return gnl_fail(node, "there is no memory for %zu bytes of constants", bytes);
  self->kernels->pack(&self->layer, read->filters.data, read->seed.data, read->generated.data, self->packed);
  return NULL;
}

static OrtStatus *create_groupnl(gnl_node *node, const OrtKernelInfo *info) {
  layer_node *self = (layer_node *)node;
  gnl_layer *layer = &self->layer;
  constants read = {0};
  TRY(gnl_read_common(node, info, &layer->activation, &layer->block));
  TRY(gnl_read_optional(node, info, "apart", 0, layer->block ? 1 : 0, &layer->apart));
  TRY(read_filters(node, info, &read, layer));
  TRY(read_generation(node, info, read.filters.dims[0], layer));
  TRY(read_parameters(node, info, 2, layer, &read));
  return pack(self, &read);
}

static OrtStatus *create_generate(gnl_node *node, const OrtKernelInfo *info) {
  layer_node *self = (layer_node *)node;
  gnl_layer *layer = &self->layer;
  constants read = {0};
  layer->given = 1, layer->inputs = 1, layer->window = POINT;
  TRY(gnl_read_common(node, info, &layer->activation, &layer->block));
  TRY(gnl_read_constant(node, info, 1, "S", 2, &read.seed));
  TRY(read_generation(node, info, read.seed.dims[1], layer));
  TRY(read_parameters(node, info, 1, layer, &read));
  return pack(self, &read);
}

// A depthwise convolution is a layer that generates nothing; its S are ones, then the bias.
static OrtStatus *pack_with_bias(layer_node *self, constants *read, const float *bias) {
  const size_t channels = (size_t)self->layer.channels;
  float *seed = gnl_allocate(GNL_SEED_ROWS * channels * sizeof(float));
  if (seed == NULL) return gnl_fail(&self->node, "there is no memory for %zu biases", channels);
  for (size_t i = 0; i < channels; i++) seed[i] = 1;
  memcpy(seed + channels, bias, channels * sizeof(float));
  read->seed.data = seed;
  OrtStatus *status = pack(self, read);
  free(seed);
  return status;
}

static OrtStatus *create_depthwise(gnl_node *node, const OrtKernelInfo *info) {
  layer_node *self = (layer_node *)node;
  gnl_layer *layer = &self->layer;
  constants read = {0};
  gnl_tensor bias;
  TRY(gnl_read_common(node, info, &layer->activation, &layer->block));
  TRY(read_filters(node, info, &read, layer));
  if (layer->inputs != 1) return gnl_fail(node, "W reads %d channels a filter, not 1", layer->inputs);
  layer->seeds = layer->channels = (int)read.filters.dims[0], layer->nl_groups = 1;
  TRY(gnl_read_constant(node, info, 2, "B", 1, &bias));
  if (bias.dims[0] != layer->channels)
    return gnl_fail(node, "B has %lld numbers for %d channels", (long long)bias.dims[0], layer->channels);
  return pack_with_bias(self, &read, bias.data);
}

static void destroy(gnl_node *node) { free(((layer_node *)node)->packed); }

// A run: every band of every image is an item of its own.
typedef struct {
  const layer_node *self;
  gnl_size size;
  gnl_tensor x, y, mean;
  float *sums;  // (images, bands, channels) where the mean is asked for
  size_t scratch_bytes;
  _Atomic int starved;  // there was no memory to work in
} run;

static size_t image_floats(const gnl_tensor *t) { return (size_t)(t->dims[1] * t->dims[2] * t->dims[3]); }

static void one_band(void *job, size_t item) {
  run *r = job;
  const size_t image = item / (size_t)r->size.bands, channels = (size_t)r->y.dims[1];
  void *scratch = gnl_borrow(r->scratch_bytes);
  if (scratch == NULL) {
    r->starved = 1;
    return;
  }
  r->self->kernels->band(&r->self->layer, &r->size, r->self->packed, r->x.data + image * image_floats(&r->x),
                         r->y.data + image * image_floats(&r->y), (int)(item % (size_t)r->size.bands), scratch,
                         r->sums == NULL ? NULL : r->sums + item * channels);
  gnl_return(scratch);
}

static void average(const run *r) {
  const size_t channels = (size_t)r->y.dims[1], bands = (size_t)r->size.bands;
  const double pixels = (double)r->size.out_height * r->size.out_width;
  for (size_t i = 0; i < (size_t)r->y.dims[0] * channels; i++) {
    double sum = 0;
    for (size_t band = 0; band < bands; band++) sum += r->sums[(i / channels * bands + band) * channels + i % channels];
    r->mean.data[i] = (float)(sum / pixels);
  }
}

static OrtStatus *run_bands(run *r, const OrtKernelContext *context) {
  const gnl_node *node = &r->self->node;
  TRY(gnl_for_each(node, context, one_band, (size_t)r->y.dims[0] * (size_t)r->size.bands, r));
  if (r->starved) return gnl_fail(node, "there is no memory for %zu bytes to work in", r->scratch_bytes);
  if (r->sums != NULL) average(r);
  return NULL;
}

static OrtStatus *run_with_sums(run *r, const OrtKernelContext *context) {
  if (r->mean.data == NULL) return run_bands(r, context);
  const size_t bytes = (size_t)(r->y.dims[0] * r->size.bands * r->y.dims[1]) * sizeof(float);
  r->sums = gnl_borrow(bytes);
  if (r->sums == NULL) return gnl_fail(&r->self->node, "there is no memory for %zu bytes of sums", bytes);
  memset(r->sums, 0, bytes);
  OrtStatus *status = run_bands(r, context);
  gnl_return(r->sums);
  return status;
}

static OrtStatus *measure(run *r) {
  const gnl_layer *layer = &r->self->layer;
  const gnl_window *w = &layer->window;
  const int64_t *d = r->x.dims;
  const int channels = gnl_padded(layer->seeds * layer->inputs, layer->block);
  if (d[1] != channels)
    return gnl_fail(&r->self->node, "X has %lld channels, not %d", (long long)d[1], channels);
  r->size = (gnl_size){.in_height = (int)d[2], .in_width = (int)d[3], .bands = 1};
  const int fits = gnl_out_size(w, d[2], d[3], &r->size.out_height, &r->size.out_width);
  if (fits == GNL_TOO_LARGE)
    return gnl_fail(&r->self->node, "X has %lld x %lld pixels", (long long)d[2], (long long)d[3]);
  if (fits == GNL_TOO_SMALL)
    return gnl_fail(&r->self->node, "X of %lld x %lld pixels is smaller than the filters", (long long)d[2],
                    (long long)d[3]);
  return NULL;
}

static OrtStatus *make_outputs(run *r, OrtKernelContext *context) {
  const gnl_layer *layer = &r->self->layer;
  const int64_t channels = gnl_padded(layer->channels, layer->block), images = r->x.dims[0];
  r->y = (gnl_tensor){{images, channels, r->size.out_height, r->size.out_width}, NULL};
  r->mean = (gnl_tensor){{images, channels, 1, 1}, NULL};
  TRY(gnl_make_output(&r->self->node, context, 0, &r->y));
  return gnl_make_optional_output(&r->self->node, context, 1, &r->mean);
}

static OrtStatus *compute(const gnl_node *node, OrtKernelContext *context) {
  run r = {.self = (const layer_node *)node};
  const gnl_layer_kernels *kernels = r.self->kernels;
  TRY(gnl_read_image(node, context, 0, "X", &r.x));
  TRY(measure(&r));
  TRY(make_outputs(&r, context));
  r.size.bands = kernels->bands(&r.self->layer, &r.size);
  r.scratch_bytes = kernels->scratch_bytes(&r.self->layer, &r.size);
  OrtStatus *status = run_with_sums(&r, context);
  if (status != NULL) gnl_spoil(&r.y), gnl_spoil(&r.mean);
  return status;
}

#define LAYER(of, ins, required, make)                                                              \
  {.name = of, .node_bytes = sizeof(layer_node), .inputs = ins, .required_inputs = required, .outputs = 2, \
   .create = make, .compute = compute, .destroy = destroy}
const gnl_operator gnl_groupnl_operator = LAYER("GroupNL", 4, 3, create_groupnl);
const gnl_operator gnl_generate_operator = LAYER("Generate", 3, 2, create_generate);
const gnl_operator gnl_depthwise_operator = LAYER("Depthwise", 3, 3, create_depthwise);
