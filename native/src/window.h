// What a window reaches over, and how many pixels it gives.
#pragma once
#include <stdint.h>

#include "groupnl_native.h"
#include "limits.h"

enum { GNL_FITS, GNL_TOO_SMALL, GNL_TOO_LARGE };

static inline int64_t gnl_reach(int taps, int dilation) { return (int64_t)dilation * (taps - 1); }

// Whether no pad is larger than what the filters reach over.
static inline int gnl_pads_fit(const gnl_window *w) {
  const int64_t reach_y = gnl_reach(w->height, w->dilation_y), reach_x = gnl_reach(w->width, w->dilation_x);
  return w->pad_top <= reach_y && w->pad_bottom <= reach_y && w->pad_left <= reach_x && w->pad_right <= reach_x;
}

// Of a side with its padding; 0 where the window does not fit in.
static inline int64_t gnl_out_length(int64_t padded, int64_t reach, int stride) {
  return padded <= reach ? 0 : (padded - reach - 1) / stride + 1;
}

// The size of what comes out of an image, and whether there is one.
static inline int gnl_out_size(const gnl_window *w, int64_t height, int64_t width, int *out_height, int *out_width) {
  const int64_t rows = height + w->pad_top + w->pad_bottom, columns = width + w->pad_left + w->pad_right;
  if (rows * columns > GNL_MOST_PIXELS) return GNL_TOO_LARGE;
  *out_height = (int)gnl_out_length(rows, gnl_reach(w->height, w->dilation_y), w->stride_y);
  *out_width = (int)gnl_out_length(columns, gnl_reach(w->width, w->dilation_x), w->stride_x);
  return *out_height > 0 && *out_width > 0 ? GNL_FITS : GNL_TOO_SMALL;
}
