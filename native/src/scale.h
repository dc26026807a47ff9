// Maps times one gate a channel, and an activation: in plain layout and in blocks of LANES channels.
#pragma once
#include "functions.h"

// `count` floats, each times its lane of the gate.
INLINE void scale_floats(const float *x, V gate, float *y, size_t count, int activation) {
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) st(y + i, activate(activation, ld(x + i) * gate));
  if (i < count) st_part(y + i, activate(activation, ld_part(x + i, (int)(count - i)) * gate), (int)(count - i));
}

INLINE void scale_maps(const float *x, const float *gate, float *y, size_t pixels, int block, int activation, int first,
                       int last) {
  const size_t count = pixels * (block ? LANES : 1);
  for (int map = first; map < last; map++)
    scale_floats(x + map * count, block ? ld(gate + (size_t)map * LANES) : set1(gate[map]), y + map * count, count, activation);
}

static void scale(const float *x, const float *gate, float *y, size_t pixels, int block, int activation, int first, int last) {
#define CASE(A) case A: scale_maps(x, gate, y, pixels, block, A, first, last); break;
  switch (activation) {
    CASE(GNL_NONE) CASE(GNL_RELU) CASE(GNL_RELU6) CASE(GNL_HARDSWISH) CASE(GNL_SILU) CASE(GNL_HARDSIGMOID) CASE(GNL_SIGMOID)
  }
#undef CASE
}
