// What a graph says of a node, read and checked: attributes and constants when a session is made, tensors at every run.
#pragma once
#include "limits.h"
#include "operator.h"

typedef struct {
  int64_t dims[4];
  float *data;
} gnl_tensor;

OrtStatus *gnl_read_int(const gnl_node *, const OrtKernelInfo *, const char *name, int least, int most, int *value);
// The same; `value` stays as it is where the graph does not say.
OrtStatus *gnl_read_optional(const gnl_node *, const OrtKernelInfo *, const char *name, int least, int most, int *value);
OrtStatus *gnl_read_ints(const gnl_node *, const OrtKernelInfo *, const char *name, size_t count, int least, int most,
                         int *const *values);
OrtStatus *gnl_read_float(const gnl_node *, const OrtKernelInfo *, const char *name, float *value);

// Version of the operator set, activation, block: what every operator has.
OrtStatus *gnl_read_common(const gnl_node *, const OrtKernelInfo *, int *activation, int *block);

// An initializer of this rank; every dimension is 1 … INT32_MAX.
OrtStatus *gnl_read_constant(const gnl_node *, const OrtKernelInfo *, size_t input, const char *what, size_t rank,
                             gnl_tensor *);
// Its data at a run: where the runtime keeps them, which is for it to say each time.
OrtStatus *gnl_find_constant(const gnl_node *, const OrtKernelContext *, size_t input, const float **data);

// Inputs and outputs of a run. An image has four dimensions, none of them 0.
OrtStatus *gnl_read_image(const gnl_node *, const OrtKernelContext *, size_t input, const char *what, gnl_tensor *);
OrtStatus *gnl_read_optional_image(const gnl_node *, const OrtKernelContext *, size_t input, const char *what,
                                   gnl_tensor *);  // data NULL: there is none
OrtStatus *gnl_make_output(const gnl_node *, OrtKernelContext *, size_t output, gnl_tensor *);
OrtStatus *gnl_make_optional_output(const gnl_node *, OrtKernelContext *, size_t output, gnl_tensor *);
// What a run that fails leaves in an output that is made: not a number. ONNX Runtime 1.15 goes on behind an error.
void gnl_spoil(const gnl_tensor *);

// Channels rounded up to whole blocks.
static inline int gnl_padded(int channels, int block) {
  return block ? (channels + block - 1) / block * block : channels;
}
