// The activations in double: what the kernels are held against.
#pragma once
#include <math.h>

#include "groupnl_native.h"

static inline double clip(double v, double low, double high) { return v < low ? low : v > high ? high : v; }  // NaN stays

static inline double activation_of(int activation, double v) {
  switch (activation) {
    case GNL_RELU: return v < 0 ? 0 : v;
    case GNL_RELU6: return clip(v, 0, 6);
    case GNL_HARDSWISH: return v * clip(v / 6 + .5, 0, 1);
    case GNL_SILU: return v / (1 + exp(-v));
    case GNL_HARDSIGMOID: return clip(v / 6 + .5, 0, 1);
    case GNL_SIGMOID: return 1 / (1 + exp(-v));
    default: return v;
  }
}
