// Processor time of single layers, as networks for 224 pixels have them; the least of many runs, in microseconds.
//   time_layer INSTRUCTION_SET [plain|blocked]
// Per layer: a depthwise convolution, and GroupNL of as many channels (two inputs a filter) with the seed maps as they are
// and normalised; of the convolution also the multiply-adds a nanosecond.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "guarded.h"
#include "random_layer.h"

typedef struct { int channels, kernel, stride, side; } shape;

static const shape shapes[] = {
    {16, 3, 1, 112}, {64, 3, 2, 112}, {96, 3, 2, 112}, {144, 3, 1, 56}, {72, 5, 2, 56}, {120, 5, 1, 28}, {192, 3, 1, 28},
    {240, 3, 2, 28}, {184, 3, 1, 14}, {480, 3, 1, 14}, {672, 5, 1, 14}, {672, 5, 2, 14}, {960, 5, 1, 7}, {960, 3, 1, 7},
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * 1e6 + t.tv_nsec * 1e-3;
}

static gnl_layer layer_of(const shape *s, int groupnl, int normalize, int block) {
  const int seeds = groupnl ? s->channels / 2 : s->channels, pad = s->kernel / 2;
  return (gnl_layer){
      .seeds = seeds, .inputs = groupnl ? 2 : 1, .channels = s->channels, .nl_groups = 1, .function = GNL_SINE,
      .activation = GNL_HARDSWISH, .normalize = normalize, .block = block, .apart = block && groupnl, .epsilon = 1e-12f,
      .window = {s->kernel, s->kernel, s->stride, s->stride, 1, 1, pad, pad, pad, pad},
  };
}

static double time_of(const gnl_layer_kernels *kernels, const shape *s, const gnl_layer *l) {
  const int out = (s->side - 1) / s->stride + 1, padded = (s->channels + 15) / 16 * 16;
  gnl_size size = {s->side, s->side, out, out, 1};
  size.bands = kernels->bands(l, &size);
  guarded x = random_floats((size_t)padded * s->side * s->side, 1), y = guarded_floats((size_t)padded * out * out, 1, 0);
  guarded filters = random_floats((size_t)s->channels * s->kernel * s->kernel, 1), parameters = random_floats(5 * s->channels, 2);
  guarded packed = guarded_floats(kernels->packed_floats(l), 1, 0);
  guarded scratch = guarded_floats(kernels->scratch_bytes(l, &size) / sizeof(float), 1, 0);
  kernels->pack(l, filters.floats, parameters.floats, parameters.floats, packed.floats);
  double best = 1e30;
  for (int run = 0; run < 30; run++) {
    const double start = now();
    for (int i = 0; i < 3; i++)
      for (int b = 0; b < size.bands; b++) kernels->band(l, &size, packed.floats, x.floats, y.floats, b, scratch.floats, NULL);
    const double took = (now() - start) / 3;
    if (took < best) best = took;
  }
  guarded *all[] = {&x, &y, &filters, &parameters, &packed, &scratch};
  for (int i = 0; i < 6; i++) guarded_free(all[i]);
  return best;
}

int main(int argc, char **argv) {
  const gnl_kernels *set = argc < 2 ? gnl_best() : gnl_named(argv[1]);
  const int blocked = argc > 2 && !strcmp(argv[2], "blocked");
  const gnl_layer_kernels *kernels = !set ? NULL : blocked ? set->blocked : set->plain;
  if (!kernels) {
    fprintf(stderr, "no such kernels here; usage: time_layer INSTRUCTION_SET [plain|blocked]\n");
    return 2;
  }
  random_start(1);
  double sums[3] = {0, 0, 0};
  printf("channels kernel stride side  depthwise    GroupNL normalised  multiply-adds/ns\n");
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    const shape *s = shapes + i;
    double took[3];
    for (int kind = 0; kind < 3; kind++) {
      const gnl_layer l = layer_of(s, kind > 0, kind > 1, blocked ? set->block : 0);
      sums[kind] += took[kind] = time_of(kernels, s, &l);
    }
    const int out = (s->side - 1) / s->stride + 1;
    const double products = (double)s->channels * s->kernel * s->kernel * out * out;
    printf("%8d %6d %6d %4d %10.1f %10.1f %10.1f %10.1f\n", s->channels, s->kernel, s->stride, s->side, took[0], took[1], took[2],
           products / took[0] / 1e3);
  }
  printf("%26s %10.1f %10.1f %10.1f\n", "sum", sums[0], sums[1], sums[2]);
  return 0;
}
