// Rows of an input plane with the padding around them. A row holds `stride_x` phases, each of the columns x, x + stride_x,
// x + 2·stride_x …, so that whatever the stride, the taps of neighbouring outputs are neighbours.
#pragma once
#include "groupnl_native.h"

typedef struct {
  int kernel_height, kernel_width;
  int columns;         // padded columns that the outputs of a row read
  size_t half, pitch;  // floats of a phase and of a row
} gnl_rows;

typedef struct {
  const gnl_layer *layer;
  const gnl_size *size;
  gnl_rows rows;
} gnl_planes;

static int max_int(int a, int b) { return a > b ? a : b; }
static int min_int(int a, int b) { return a < b ? a : b; }
static size_t whole_vectors(size_t floats) { return (floats + LANES - 1) / LANES * LANES; }

static gnl_rows padded_rows(const gnl_layer *layer, const gnl_size *size) {
  const gnl_window *w = &layer->window;
  const int reach = (w->width - 1) * w->dilation_x;
  gnl_rows rows = {.kernel_height = w->height, .kernel_width = w->width};
  rows.columns = (size->out_width - 1) * w->stride_x + reach + 1;
  // A vector of outputs may hang over the row's end, and so may a vector of zeros that ends a row of the image.
  rows.half = whole_vectors((size_t)max_int(size->out_width, LANES) + reach / w->stride_x + LANES);
  rows.pitch = rows.half * w->stride_x;
  return rows;
}

static int input_rows(const gnl_window *w, int out_rows) {
  return (out_rows - 1) * w->stride_y + (w->height - 1) * w->dilation_y + 1;
}

INLINE void copy_row(float *to, const float *from, int n) {
  if (n < LANES) {
    st(to, ld_part(from, n));
    return;
  }
  for (int i = 0; i + LANES <= n; i += LANES) st(to + i, ld(from + i));
  st(to + n - LANES, ld(from + n - LANES));
}

// Every other float to `first`, the rest to `second`; zeros fill the last vector of each.
INLINE void split_row(float *first, float *second, const float *from, int n) {
  for (int i = 0; i < n; i += 2 * LANES) {
    const int left = n - i;
    const V a = left >= LANES ? ld(from + i) : ld_part(from + i, left);
    const V b = left >= 2 * LANES ? ld(from + i + LANES) : left > LANES ? ld_part(from + i + LANES, left - LANES) : set1(0);
    st(first + i / 2, shuffle_even(a, b));
    st(second + i / 2, shuffle_odd(a, b));
  }
}

// `n` floats of a row of the image go to the padded columns from `column` on.
static void place_row(float *row, size_t half, int stride, int column, const float *from, int n) {
  const int odd = column & 1;
  if (stride == 1) copy_row(row + column, from, n);
  else if (stride == 2) split_row(row + odd * half + column / 2, row + !odd * half + (column + 1) / 2, from, n);
  else
    for (int i = 0; i < n; i++) row[(size_t)((column + i) % stride) * half + (column + i) / stride] = from[i];
}

// The rows that `out_rows` outputs from `first` on read. What pads the rows of `to` is zero already.
static void pad_plane(const gnl_planes *p, const float *plane, int first, int out_rows, float *to) {
  const gnl_window *w = &p->layer->window;
  const int width = p->size->in_width, rows = input_rows(w, out_rows);
  const int top = first * w->stride_y - w->pad_top, n = min_int(width, p->rows.columns - w->pad_left);
  for (int r = 0; r < rows; r++) {
    float *row = to + r * p->rows.pitch;
    const int y = top + r;
    if (y < 0 || y >= p->size->in_height) memset(row, 0, p->rows.pitch * sizeof *row);
    else if (n > 0) place_row(row, p->rows.half, w->stride_x, w->pad_left, plane + (size_t)y * width, n);
  }
}
