#include "random_layer.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint64_t state;

void random_start(unsigned seed) { state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1; }

int random_below(int bound) {  // xorshift64*
  state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
  return (int)(((state * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % (uint64_t)bound);
}

static int between(int low, int high) { return low + random_below(high - low + 1); }

static void usual_window(gnl_window *w) {
  w->height = w->width = 3 + 2 * random_below(3);
  w->stride_y = w->stride_x = between(1, 2);
  w->dilation_y = w->dilation_x = 1;
  const int pad = w->height / 2, same = w->stride_x == 2 && random_below(2);  // SAME: nothing or less above
  w->pad_top = w->pad_left = same ? pad - 1 : pad;
  w->pad_bottom = w->pad_right = pad;
}

static void odd_window(gnl_window *w) {
  w->height = between(1, 8), w->width = between(1, 8);
  w->stride_y = between(1, 4), w->stride_x = between(1, 4);
  w->dilation_y = between(1, 3), w->dilation_x = between(1, 3);
  if (random_below(2)) w->width = w->height = 3 + 2 * random_below(3), w->stride_x = w->stride_y = between(1, 3);
  const int most = random_below(4) ? 3 : 24;
  w->pad_top = random_below(most), w->pad_left = random_below(most);
  w->pad_bottom = random_below(most), w->pad_right = random_below(most);
}

static int image_side(void) {
  static const int usual[] = {7, 14, 28, 56, 8, 16, 10, 19};
  return random_below(3) ? between(1, 20) : usual[random_below(8)];
}

static int out_side(int in, int before, int after, int kernel, int dilation, int stride) {
  return (in + before + after - (kernel - 1) * dilation - 1 + stride) / stride;
}

// 0 where the window does not fit.
static int random_size(const gnl_layer *l, gnl_size *size) {
  const gnl_window *w = &l->window;
  size->in_height = size->out_height = image_side();
  size->in_width = size->out_width = image_side();
  if (size->in_height * size->in_width > 800) size->in_height = size->out_height = between(1, 9);
  if (l->given) return 1;
  size->out_height = out_side(size->in_height, w->pad_top, w->pad_bottom, w->height, w->dilation_y, w->stride_y);
  size->out_width = out_side(size->in_width, w->pad_left, w->pad_right, w->width, w->dilation_x, w->stride_x);
  return size->out_height > 0 && size->out_width > 0;
}

static void random_channels(gnl_layer *l) {
  l->seeds = random_below(8) ? between(1, 20) : between(20, 70);
  l->given = !random_below(6);
  l->inputs = l->given ? 1 : random_below(3) ? 2 : random_below(4) ? between(1, 5) : 8;
  const int copies = random_below(3) ? 2 : between(1, 5);
  l->channels = l->seeds * copies - (copies > 1 && random_below(3) == 0 ? random_below(l->seeds) : 0);
  l->nl_groups = random_below(2) ? 1 : between(1, l->seeds);
  while (l->seeds % l->nl_groups) l->nl_groups--;
  if (!random_below(5)) l->channels = l->seeds, l->inputs = 1;  // depthwise
}

void random_layer(int block, gnl_layer *l, gnl_size *size) {
  do {
    memset(l, 0, sizeof *l);
    random_channels(l);
    l->function = random_below(2) ? GNL_SINE : random_below(GNL_FUNCTIONS);
    l->activation = random_below(GNL_ACTIVATIONS);
    l->normalize = random_below(2);
    l->epsilon = random_below(2) ? 1e-12f : 0.7f;
    l->block = block;
    l->apart = block && random_below(2);
    if (l->given) l->window = (gnl_window){1, 1, 1, 1, 1, 1, 0, 0, 0, 0}, l->apart = 0;
    else if (random_below(4)) usual_window(&l->window);
    else odd_window(&l->window);
  } while (!random_size(l, size));
}

void print_layer(const gnl_layer *l, const gnl_size *s) {
  const gnl_window *w = &l->window;
  printf("%d seeds of %d inputs, %d channels, %d groups, function %d, activation %d, normalize %d (%g), given %d, block %d, apart %d;",
         l->seeds, l->inputs, l->channels, l->nl_groups, l->function, l->activation, l->normalize, (double)l->epsilon, l->given,
         l->block, l->apart);
  printf(" window %dx%d, strides %d %d, dilations %d %d, pads %d %d %d %d; %dx%d to %dx%d in %d bands\n", w->height, w->width,
         w->stride_y, w->stride_x, w->dilation_y, w->dilation_x, w->pad_top, w->pad_left, w->pad_bottom, w->pad_right, s->in_height,
         s->in_width, s->out_height, s->out_width, s->bands);
}

guarded random_floats(size_t count, float bound) {
  guarded memory = guarded_floats(count, random_below(2), 0xff);
  for (size_t i = 0; i < count; i++) memory.floats[i] = bound * (float)(random_below(2000001) - 1000000) / 1e6f;
  return memory;
}

guarded random_image(size_t count) {
  static const float odd[] = {NAN, INFINITY, -INFINITY, 1e-40f, -1e-45f};
  const int kind = random_below(20);
  guarded image = random_floats(count, 1);
  if (kind == 0) memset(image.floats, 0, count * sizeof(float));
  if (kind == 1)
    for (int i = 0; i < 3; i++) image.floats[random_below((int)count)] = odd[random_below(5)];
  return image;
}
