// How many pixels a window gives.
#pragma once
#include <stdint.h>

// Of a side; 0 where the window does not fit in.
static inline int64_t gnl_out_length(int64_t in, int before, int after, int taps, int dilation, int stride) {
  const int64_t room = in + before + after - (int64_t)dilation * (taps - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}
