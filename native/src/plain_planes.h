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

// `vectors` vectors of a row of n floats, the last of which overlaps the one before; n is at least LANES.
INLINE void copy_vectors(float *to, const float *from, int n, int vectors) {
  V kept[4];
  UNROLL for (int i = 0; i < vectors; i++) kept[i] = ld(from + min_int(i * LANES, n - LANES));
  UNROLL for (int i = 0; i < vectors; i++) st(to + min_int(i * LANES, n - LANES), kept[i]);
}

// `rows` rows of n floats, `width` apart, to rows that are `pitch` apart. After a narrow one come zeros up to a vector.
static void copy_rows(float *to, size_t pitch, const float *from, size_t width, int n, int rows) {
#define ROWS for (; rows > 0; rows--, to += pitch, from += width)
  if (n < LANES) ROWS st(to, ld_part(from, n));
  else if (n <= 2 * LANES) ROWS copy_vectors(to, from, n, 2);
  else if (n <= 4 * LANES) ROWS copy_vectors(to, from, n, 4);
  else
    ROWS {
      for (int i = 0; i + LANES <= n; i += LANES) st(to + i, ld(from + i));
      st(to + n - LANES, ld(from + n - LANES));
    }
}

// Floats 0, 2, … of a row to `first` and 1, 3, … to `second`: whole vectors, zeros after the row's end.
INLINE void split_tail(float *first, float *second, const float *from, int n) {
  const V a = n >= LANES ? ld(from) : ld_part(from, n), b = n > LANES ? ld_part(from + LANES, n - LANES) : set1(0);
  st(first, shuffle_even(a, b));
  st(second, shuffle_odd(a, b));
}
INLINE void split_vectors(float *first, float *second, const float *from) {
  const V a = ld(from), b = ld(from + LANES);
  st(first, shuffle_even(a, b));
  st(second, shuffle_odd(a, b));
}
static void split_rows(float *first, float *second, size_t pitch, const float *from, size_t width, int n, int rows) {
  const int whole = n / (2 * LANES) * 2 * LANES, overlap = whole && n % 2 == 0;
  for (; rows > 0; rows--, first += pitch, second += pitch, from += width) {
    for (int i = 0; i < whole; i += 2 * LANES) split_vectors(first + i / 2, second + i / 2, from + i);
    if (whole == n) continue;
    if (overlap) split_vectors(first + n / 2 - LANES, second + n / 2 - LANES, from + n - 2 * LANES);
    else split_tail(first + whole / 2, second + whole / 2, from + whole, n - whole);
  }
}

static void scatter_rows(float *to, const gnl_rows *r, int stride, int column, const float *from, size_t width, int n, int rows) {
  for (; rows > 0; rows--, to += r->pitch, from += width)
    for (int i = 0; i < n; i++) to[(size_t)((column + i) % stride) * r->half + (column + i) / stride] = from[i];
}

// `count` rows of the image from `from` on, with padding on their left.
static void place_rows(const gnl_planes *p, float *to, const float *from, int count) {
  const gnl_rows *r = &p->rows;
  const int width = p->size->in_width, column = p->layer->window.pad_left, stride = p->layer->window.stride_x;
  const int n = min_int(width, r->columns - column), odd = column & 1;
  if (n <= 0) return;
  if (stride == 1) copy_rows(to + column, r->pitch, from, width, n, count);
  else if (stride == 2)
    split_rows(to + odd * r->half + column / 2, to + !odd * r->half + (column + 1) / 2, r->pitch, from, width, n, count);
  else scatter_rows(to, r, stride, column, from, width, n, count);
}

static void zero_rows(const gnl_planes *p, float *to, int count) {
  for (size_t i = 0; i < count * p->rows.pitch; i += LANES) st(to + i, set1(0));
}

// The rows that `out_rows` outputs from `first` on read. What pads rows on their sides is zero already, and so are rows
// outside of the image unless others were there before (`fresh` is 0).
static void pad_plane(const gnl_planes *p, const float *plane, int first, int out_rows, int fresh, float *to) {
  const gnl_window *w = &p->layer->window;
  const int rows = input_rows(w, out_rows), top = first * w->stride_y - w->pad_top;
  const int begin = min_int(rows, max_int(0, -top)), end = max_int(begin, min_int(rows, p->size->in_height - top));
  if (!fresh) zero_rows(p, to, begin), zero_rows(p, to + end * p->rows.pitch, rows - end);
  if (end > begin) place_rows(p, to + begin * p->rows.pitch, plane + (size_t)(top + begin) * p->size->in_width, end - begin);
}
