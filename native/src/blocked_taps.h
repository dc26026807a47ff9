// Convolutions in blocks: every lane is a channel with a filter of its own, and a tile is TILE neighbouring pixels of a
// row. 7 divides the widths 112, 56, 28, 14 and 7 of networks for images of 224 pixels; where it does not divide a
// width, the last tile computes some pixels again.
#pragma once

enum { TILE = 7, WIDEST = 7 };  // WIDEST: the widest filter with loops of its own

// The convolution that makes a block of outputs.
typedef struct {
  const gnl_window *window;
  const gnl_size *size;
  const float *filter, *image;  // the first of `parts` filters, and of as many input blocks
  size_t filter_step, image_step, row_step;  // floats to the next part; to the image's row below the next filter row
  int parts, inputs, activation;
  V shift;            // what the sums of products begin with
  const float *used;  // a mask of the lanes that are channels, NULL where all are
} convolution;

// Where a tile reads: `rows` rows of its windows lie inside of the image, and all but `left` and `right` of its columns.
typedef struct {
  const float *filter, *image;  // of the first such row; of the first column, even if it lies outside
  int rows, left, right;
} place;

// Adds the taps of one input block; the width K of the filters, the stride S and the columns outside are constants.
INLINE void tile_taps(const float *row, size_t row_step, const float *filter, int rows, int K, int S, int left, int right,
                      V sum[TILE]) {
  for (; rows > 0; rows--, row += row_step, filter += K * LANES) {
    V taps[WIDEST];
    UNROLL for (int k = 0; k < K; k++) taps[k] = ld(filter + k * LANES);
    UNROLL for (int i = 0; i < (TILE - 1) * S + K; i++) {
      if (i < left || i >= (TILE - 1) * S + K - right) continue;
      const V in = ld(row + i * LANES);
      UNROLL for (int k = 0; k < K; k++)
        if (i >= k && (i - k) % S == 0 && (i - k) / S < TILE) sum[(i - k) / S] = vfma(in, taps[k], sum[(i - k) / S]);
    }
  }
}

// The same for any window, and for columns that are outside in any way.
APART void tile_any(const convolution *c, place p, int part, V sum[TILE]) {
  const gnl_window *w = c->window;
  const int reach = (TILE - 1) * w->stride_x + (w->width - 1) * w->dilation_x + 1;
  const float *row = p.image + part * c->image_step, *filter = p.filter + part * c->filter_step;
  for (int rows = p.rows; rows > 0; rows--, row += c->row_step)
    for (int k = 0; k < w->width; k++, filter += LANES)
      for (int i = 0; i < TILE; i++) {
        const int column = i * w->stride_x + k * w->dilation_x;
        if (column < p.left || column >= reach - p.right) continue;
        sum[i] = vfma(ld(row + (ptrdiff_t)column * LANES), ld(filter), sum[i]);
      }
}

INLINE void tile_parts(const convolution *c, place p, int parts, int K, int S, int left, int right, V sum[TILE]) {
  const size_t row_step = c->row_step, image_step = c->image_step, filter_step = c->filter_step;
  do {
    tile_taps(p.image, row_step, p.filter, p.rows, K, S, left, right, sum);
    p.image += image_step, p.filter += filter_step;
  } while (--parts > 0);
}

APART void tile_parts_any(const convolution *c, place p, int parts, V sum[TILE]) {
  for (int part = 0; part < parts; part++) tile_any(c, p, part, sum);
}

// Adds up the taps of some parts from the one at `p` on. What hangs over the sides with the usual padding has loops of
// its own. K = 0: any window.
INLINE void add_parts(const convolution *c, place p, int parts, int K, int S, V sum[TILE]) {
  const int half = K / 2;
#define OVER(LEFT, RIGHT) \
  if (p.left == (LEFT) && p.right == (RIGHT)) { tile_parts(c, p, parts, K, S, LEFT, RIGHT, sum); return; }
  if (K) {
    OVER(0, 0) OVER(half, 0) OVER(0, half) OVER(half, half)
    if (S == 2) { OVER(half, half - 1) OVER(half - 1, half) OVER(0, half - 1) OVER(half - 1, 0) }
  }
#undef OVER
  V any[TILE];
  UNROLL for (int i = 0; i < TILE; i++) any[i] = sum[i];
  tile_parts_any(c, p, parts, any);
  UNROLL for (int i = 0; i < TILE; i++) sum[i] = any[i];
}

INLINE V pairs(V a, V b) { return shuffle_even(a, b) + shuffle_odd(a, b); }

// Adds the lanes of the part-th tile to those of the seed maps that they are inputs of.
APART void fold_lanes(const V tile[TILE], int part, int inputs, V sum[TILE]) {
  for (int i = 0; i < TILE; i++) {
    float from[LANES], to[LANES];
    st(from, tile[i]);
    st(to, sum[i]);
    for (int lane = 0; lane < LANES; lane++) to[(part * LANES + lane) / inputs] += from[lane];
    sum[i] = ld(to);
  }
}

// Of two, four or eight parts neighbouring lanes are added till one is left.
INLINE void fold_pairs(V parts[][TILE], int count) {
  for (; count > 1; count /= 2)
    for (int part = 0; part < count / 2; part++)
      UNROLL for (int i = 0; i < TILE; i++) parts[part][i] = pairs(parts[2 * part][i], parts[2 * part + 1][i]);
}

// The sums of products of some parts, lane by lane. By value, a place would be written in pieces and read as a whole, for
// which processors wait.
typedef void (*part_kernel)(const convolution *, const place *, int parts, V sum[TILE]);

// Adds up all parts where the inputs of a filter stand side by side.
APART void add_folded(const convolution *c, place p, part_kernel kernel, V sum[TILE]) {
  const int pairwise = c->inputs == 2 || c->inputs == 4 || c->inputs == 8;
  V parts[8][TILE];
  for (int part = 0; part < (pairwise ? c->inputs : c->parts); part++) {
    V *tile = parts[pairwise ? part : 0];
    if (part < c->parts) kernel(c, &p, 1, tile);
    else for (int i = 0; i < TILE; i++) tile[i] = set1(0);
    if (!pairwise) fold_lanes(tile, part, c->inputs, sum);
    p.image += c->image_step, p.filter += c->filter_step;
  }
  if (pairwise) fold_pairs(parts, c->inputs);
  for (int i = 0; i < TILE && pairwise; i++) sum[i] += parts[0][i];
}

INLINE void activate_pixels(V v[TILE], int activation) {
#define CASE(A) case A: UNROLL for (int i = 0; i < TILE; i++) v[i] = activate(A, v[i]); break;
  switch (activation) {
    CASE(GNL_RELU) CASE(GNL_RELU6) CASE(GNL_HARDSWISH) CASE(GNL_SILU) CASE(GNL_HARDSIGMOID) CASE(GNL_SIGMOID)
  }
#undef CASE
}

// The tile's first `count` pixels as outputs; the sum of those that are new.
INLINE V finish_tile(const convolution *c, V v[TILE], int count, int again, float *to) {
  activate_pixels(v, c->activation);
  if (c->used) UNROLL for (int i = 0; i < TILE; i++) v[i] = (V)((VI)v[i] & (VI)ld(c->used));
  if (count == TILE && !again) {
    UNROLL for (int i = 0; i < TILE; i++) st(to + i * LANES, v[i]);
    return ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + v[6]);
  }
  V total = set1(0);
  UNROLL for (int i = 0; i < TILE; i++)
    if (i >= again && i < count) st(to + i * LANES, v[i]), total += v[i];
  return total;
}

// Steps of `step` from `from` that lead to `to` or beyond.
static int steps(int from, int to, int step) { return to <= from ? 0 : step == 1 ? to - from : (to - from + step - 1) / step; }

// The rows of the windows of output row `oy` that lie inside of the image.
INLINE place place_of(const convolution *c, int oy) {
  const gnl_window *w = c->window;
  const int y = oy * w->stride_y - w->pad_top, height = c->size->in_height;
  const int first = y < 0 ? steps(y, 0, w->dilation_y) : 0, last = least(w->height, steps(y, height, w->dilation_y));
  return (place){c->filter + (ptrdiff_t)first * w->width * LANES,
                 c->image + (ptrdiff_t)(y + first * w->dilation_y) * c->size->in_width * LANES, most(0, last - first), 0, 0};
}

// How the inputs of a filter stand in their blocks: each in a lane of a block of its own, or side by side, two or more.
typedef enum { APART_INPUTS, TWO_INPUTS, MORE_INPUTS } inputs_order;

// The sums of products of a tile.
INLINE void tile_sums(const convolution *c, place p, int K, int S, inputs_order order, part_kernel kernel, V sum[TILE]) {
  V a[TILE], b[TILE];
  UNROLL for (int i = 0; i < TILE; i++) a[i] = order == TWO_INPUTS ? set1(0) : c->shift, b[i] = set1(0);
  if (order == APART_INPUTS) add_parts(c, p, c->parts, K, S, a);
  if (order == MORE_INPUTS) add_folded(c, p, kernel, b);
  if (order == TWO_INPUTS) {
    add_parts(c, p, 1, K, S, a);
    p.image += c->image_step, p.filter += c->filter_step;
    if (c->parts > 1) add_parts(c, p, 1, K, S, b);
    UNROLL for (int i = 0; i < TILE; i++) a[i] = c->shift + pairs(a[i], b[i]);
  }
  UNROLL for (int i = 0; i < TILE; i++) sum[i] = order == MORE_INPUTS ? a[i] + b[i] : a[i];
}

// The rows `from` … `to` − 1 of a block into `y`: finished outputs, or seed maps as they are, `step` floats from pixel to
// pixel, where a row narrower than a tile is written over by the next. Returns the sum of the outputs.
INLINE V convolve_rows(const convolution *c, int from, int to, int K, int S, int finished, inputs_order order,
                       part_kernel kernel, float *y, size_t step) {
  const gnl_window *w = c->window;
  const int out = c->size->out_width, width = c->size->in_width;
  const int stride = S ? S : w->stride_x, reach = (TILE - 1) * stride + (K ? K : (w->width - 1) * w->dilation_x + 1);
  const int left = w->pad_left, tiles = (out + TILE - 1) / TILE, last = most(0, out - TILE);
  V total = set1(0), some = set1(0);  // sums of all rows and of the last few: less is lost by rounding
  for (int oy = from; oy < to; oy++, y += out * step) {
    const place row = place_of(c, oy);
    V added = set1(0);
    for (int t = 0; t < tiles; t++) {
      const int start = t + 1 < tiles ? t * TILE : last, x = start * stride - left;
      const place p = {row.filter, row.image + (ptrdiff_t)x * LANES, row.rows, most(0, -x), most(0, x + reach - width)};
      V sum[TILE];
      tile_sums(c, p, K, S, order, kernel, sum);
      if (finished) added += finish_tile(c, sum, least(TILE, out), t * TILE - start, y + (size_t)start * LANES);
      else UNROLL for (int i = 0; i < TILE; i++) st(y + (start + i) * step, sum[i]);
    }
    some += added;
    if ((oy - from) % 8 == 7) total += some, some = set1(0);
  }
  return total + some;
}

typedef V (*conv_kernel)(const convolution *, int from, int to, float *y, size_t step);
typedef struct {
  conv_kernel seeds[3], outputs;  // [inputs_order]; of one input a filter
  part_kernel tile;
} conv_kernels;

#define ROWS(NAME, K, S, FINISHED, ORDER)                                                     \
  APART V NAME##_##K##_##S(const convolution *c, int from, int to, float *y, size_t step) {   \
    return convolve_rows(c, from, to, K, S, FINISHED, ORDER, part_##K##_##S, y, step);        \
  }
#define CONV(K, S)                                                                            \
  APART void part_##K##_##S(const convolution *c, const place *p, int parts, V sum[TILE]) {   \
    V own[TILE];                                                                              \
    UNROLL for (int i = 0; i < TILE; i++) own[i] = set1(0);                                   \
    add_parts(c, *p, parts, K, S, own);                                                       \
    UNROLL for (int i = 0; i < TILE; i++) sum[i] = own[i];                                    \
  }                                                                                           \
  ROWS(apart, K, S, 0, APART_INPUTS) ROWS(two, K, S, 0, TWO_INPUTS)                           \
  ROWS(more, K, S, 0, MORE_INPUTS) ROWS(outputs, K, S, 1, APART_INPUTS)
CONV(3, 1) CONV(3, 2) CONV(5, 1) CONV(5, 2) CONV(7, 1) CONV(7, 2) CONV(0, 0)
#undef CONV
#undef ROWS

static const conv_kernels *conv_kernels_of(const gnl_window *w) {
#define OF(K, S) {{apart_##K##_##S, two_##K##_##S, more_##K##_##S}, outputs_##K##_##S, part_##K##_##S}
  static const conv_kernels odd[3][2] = {{OF(3, 1), OF(3, 2)}, {OF(5, 1), OF(5, 2)}, {OF(7, 1), OF(7, 2)}}, any = OF(0, 0);
#undef OF
  const int is_odd = w->width == 3 || w->width == 5 || w->width == 7;
  return is_odd && w->dilation_x == 1 && w->stride_x <= 2 ? &odd[w->width / 2 - 1][w->stride_x - 1] : &any;
}
