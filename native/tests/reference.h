// A layer by plain loops in double, and what an error of its outputs is measured by.
#pragma once
#include "groupnl_native.h"

typedef struct {
  gnl_layer layer;
  gnl_size size;
  const float *x, *filters, *seed, *generated;  // plain layout; as `pack` takes them
} reference_layer;

// y (channels, pixels) and `scale` of the same shape: how much y moves if every product and every sum on the way is wrong
// by one part, so that |error| / scale is a number of the order of float32's precision.
void reference_run(const reference_layer *reference, double *y, double *scale);

// Floats of the plain input.
size_t reference_input(const gnl_layer *layer, const gnl_size *size);
