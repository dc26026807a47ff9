// Random maps times gates, between guard pages, against plain double; the output is once a tensor of its own and once the
// input itself, as the runtime may ask.
//   fuzz_scale SEED COUNT INSTRUCTION_SET [plain|blocked]
// Exit codes: 0 right, 1 wrong, 2 not to be run here.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "activations.h"
#include "guarded.h"
#include "random_layer.h"

#define TOLERANCE 1e-6  // of 1 + |x·gate|

static int check(const guarded *x, const guarded *gate, const float *y, size_t pixels, int block, int activation) {
  for (size_t i = 0; i < x->count; i++) {
    const size_t channel = block ? i / (pixels * block) * block + i % block : i / pixels;
    const double product = (double)x->floats[i] * gate->floats[channel], right = activation_of(activation, product);
    if (isnan(right) ? isnan(y[i]) : y[i] == right || fabs(y[i] - right) <= TOLERANCE * (1 + fabs(product))) continue;
    printf("WRONG: %g instead of %g at %zu of %zu, %zu pixels, block %d, activation %d\n", y[i], right, i, x->count, pixels,
           block, activation);
    return 1;
  }
  return 0;
}

static int one_product(const gnl_kernels *set, int block) {
  const int maps = 1 + random_below(40), activation = random_below(GNL_ACTIVATIONS), middle = random_below(maps + 1);
  const size_t pixels = 1 + (size_t)random_below(random_below(2) ? 20 : 300), lanes = block ? (size_t)block : 1;
  guarded x = random_image(maps * lanes * pixels), gate = random_image(maps * lanes);
  guarded y = guarded_floats(x.count, random_below(2), 0xff), same = guarded_floats(x.count, random_below(2), 0xff);
  memcpy(same.floats, x.floats, x.count * sizeof(float));
  set->scale(x.floats, gate.floats, y.floats, pixels, block, activation, 0, middle);
  set->scale(x.floats, gate.floats, y.floats, pixels, block, activation, middle, maps);
  set->scale(same.floats, gate.floats, same.floats, pixels, block, activation, 0, maps);
  int bad = check(&x, &gate, y.floats, pixels, block, activation);
  if (!bad && memcmp(y.floats, same.floats, x.count * sizeof(float))) bad = 1, printf("WRONG in place\n");
  guarded *all[] = {&x, &gate, &y, &same};
  for (int i = 0; i < 4; i++) guarded_free(all[i]);
  return bad;
}

int main(int argc, char **argv) {
  const gnl_kernels *set = argc < 4 ? NULL : gnl_named(argv[3]);
  const int blocked = argc > 4 && !strcmp(argv[4], "blocked");
  if (set == NULL || set->scale == NULL || (blocked && set->block == 0)) {
    fprintf(stderr, "no such kernels here; usage: fuzz_scale SEED COUNT INSTRUCTION_SET [plain|blocked]\n");
    return 2;
  }
  const int count = atoi(argv[2]);
  random_start((unsigned)atoi(argv[1]));
  for (int i = 0; i < count; i++)
    if (one_product(set, blocked ? set->block : 0)) return 1;
  printf("%s %s: %d products are right\n", set->name, blocked ? "blocked" : "plain", count);
  return 0;
}
