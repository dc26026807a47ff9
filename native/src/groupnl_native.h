// What the operators hand to the kernels: a layer, the size of an image, and the kernels of one instruction set.
// The operators themselves, with their formulas, are described in exporters/native/operators.py.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { GNL_NONE, GNL_RELU, GNL_RELU6, GNL_HARDSWISH, GNL_SILU, GNL_HARDSIGMOID, GNL_SIGMOID, GNL_ACTIVATIONS };
enum { GNL_SINE, GNL_MONOMIAL, GNL_GAUSSIAN, GNL_LAPLACE, GNL_EXPONENTIAL, GNL_FUNCTIONS };

// Rows of S (seed maps) and of G (generated maps).
enum { GNL_SEED_SCALE, GNL_SEED_SHIFT, GNL_SEED_ROWS };
enum { GNL_PRE_SCALE, GNL_PRE_SHIFT, GNL_EXPONENT, GNL_POST_SCALE, GNL_POST_SHIFT, GNL_GENERATED_ROWS };

typedef struct {
  int height, width, stride_y, stride_x, dilation_y, dilation_x;
  int pad_top, pad_left, pad_bottom, pad_right;
} gnl_window;

// GroupNL, Generate and Depthwise alike. Depthwise is the layer whose seed maps are all there is (channels == seeds,
// inputs == 1, S = (1, bias)); of Generate `given` says that the input holds the seed maps (inputs == 1, no filters).
typedef struct {
  int seeds, inputs;        // seed maps; channels of X that each reads
  int channels, nl_groups;  // channels of Y; blocks of seed maps with hyper-parameters of their own
  int function, activation, normalize, given;
  int block, apart;         // 0: plain; apart: see `operators.py`
  float epsilon;            // the least norm
  gnl_window window;
} gnl_layer;

// One image; `bands` parts of its rows (or pixels) are computed apart, whatever the number of threads, so that their
// number depends on shapes alone and the result is the same to the bit.
typedef struct { int in_height, in_width, out_height, out_width, bands; } gnl_size;

// Which seed map the t-th generated one is made of.
static inline int gnl_source(const gnl_layer *layer, int t) {
  const int each = layer->seeds / layer->nl_groups, copies = (layer->channels + layer->seeds - 1) / layer->seeds - 1;
  return t / (copies * each) * each + t % each;
}

// Plain or blocked kernels for whole layers.
typedef struct {
  // Floats of the packed constants (filters and parameters, in whatever order the kernel likes).
  size_t (*packed_floats)(const gnl_layer *);
  // filters (seeds, inputs, kh, kw), NULL if given; seed (2, seeds); generated (5, channels − seeds), NULL for none.
  void (*pack)(const gnl_layer *, const float *filters, const float *seed, const float *generated, float *packed);
  // How many bands an image of this size shall have: 1 … out_height (of `given` layers: 1 … pixels).
  int (*bands)(const gnl_layer *, const gnl_size *);
  // Bytes that each band needs to work in, aligned to 64.
  size_t (*scratch_bytes)(const gnl_layer *, const gnl_size *);
  // One band of one image. `sums`: NULL, or (padded) channels zeros, to which the band adds the sums of its pixels.
  void (*band)(const gnl_layer *, const gnl_size *, const float *packed, const float *x, float *y, int band,
               void *scratch, float *sums);
} gnl_layer_kernels;

// act(W·X + B + R) over `pixels` columns, plain. W (out, in) is read as it stands.
typedef struct { int in_channels, out_channels, activation; } gnl_pointwise;
typedef struct {
  int (*bands)(const gnl_pointwise *, size_t pixels);
  size_t (*scratch_bytes)(const gnl_pointwise *, size_t pixels, int bands);
  void (*band)(const gnl_pointwise *, size_t pixels, int bands, const float *weight, const float *bias,
               const float *x, const float *residual, float *y, int band, void *scratch);  // residual: NULL for none
} gnl_pointwise_kernels;

typedef struct {
  const char *name;                  // "avx512", "avx2", "neon", "portable"
  int block;                         // of the blocked kernels: 16, 8; 4, which only ncnn has
  const gnl_layer_kernels *plain, *blocked;
  const gnl_pointwise_kernels *pointwise;
  // y = act(x · gate): `pixels` of each of the channels (blocks, if `block`) first … last − 1 of one image.
  void (*scale)(const float *x, const float *gate, float *y, size_t pixels, int block, int activation, int first, int last);
} gnl_kernels;

#if defined(__x86_64__)
extern const gnl_kernels gnl_avx512, gnl_avx2;
#elif defined(__aarch64__)
extern const gnl_kernels gnl_neon;
#endif
extern const gnl_kernels gnl_portable;

// The best that this processor has, at most `GROUPNL_NATIVE_ISA` of the environment where that names one that is there.
const gnl_kernels *gnl_best(void);
// Those of this name, NULL where the processor or this build has none.
const gnl_kernels *gnl_named(const char *name);
