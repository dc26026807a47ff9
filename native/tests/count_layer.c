// Runs a small layer some times, for an emulator that counts instructions: those of one more run are the layer's own.
//   count_layer INSTRUCTION_SET KERNEL STRIDE depthwise|groupnl|normalised RUNS      prints how many numbers a run gives
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guarded.h"
#include "random_layer.h"

enum { CHANNELS = 8, OUTPUTS = 28 };  // a side of 28 is four tiles high and seven vectors of four wide

int main(int argc, char **argv) {
  const gnl_kernels *set = argc == 6 ? gnl_named(argv[1]) : NULL;
  if (!set) {
    fprintf(stderr, "usage: count_layer INSTRUCTION_SET KERNEL STRIDE depthwise|groupnl|normalised RUNS\n");
    return 2;
  }
  const int kernel = atoi(argv[2]), stride = atoi(argv[3]), runs = atoi(argv[5]), pad = kernel / 2;
  const int groupnl = strcmp(argv[4], "depthwise") != 0, in = OUTPUTS * stride;
  const gnl_layer l = {
      .seeds = groupnl ? CHANNELS / 2 : CHANNELS, .inputs = groupnl ? 2 : 1, .channels = CHANNELS, .nl_groups = 1,
      .function = GNL_SINE, .activation = GNL_HARDSWISH, .normalize = !strcmp(argv[4], "normalised"), .epsilon = 1e-12f,
      .window = {kernel, kernel, stride, stride, 1, 1, pad, pad, pad, pad},
  };
  gnl_size size = {in, in, OUTPUTS, OUTPUTS, 1};
  random_start(1);
  guarded x = random_floats((size_t)CHANNELS * in * in, 1), y = guarded_floats((size_t)CHANNELS * OUTPUTS * OUTPUTS, 1, 0);
  guarded filters = random_floats((size_t)CHANNELS * kernel * kernel, 1), parameters = random_floats(5 * CHANNELS, 2);
  guarded packed = guarded_floats(set->plain->packed_floats(&l), 1, 0);
  guarded scratch = guarded_floats(set->plain->scratch_bytes(&l, &size) / sizeof(float), 1, 0);
  set->plain->pack(&l, filters.floats, parameters.floats, parameters.floats, packed.floats);
  for (int run = 0; run < runs; run++) set->plain->band(&l, &size, packed.floats, x.floats, y.floats, 0, scratch.floats, NULL);
  printf("%d\n", CHANNELS * OUTPUTS * OUTPUTS);
  return 0;
}
