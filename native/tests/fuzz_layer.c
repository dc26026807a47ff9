// Random layers of one instruction set's kernels, every tensor between guard pages, against a plain loop in double.
//   fuzz_layer SEED COUNT INSTRUCTION_SET [plain|blocked]
// Prints the worst error as a part of the reference's scale. Exit codes: 0 right, 1 wrong, 2 not to be run here.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guarded.h"
#include "random_layer.h"
#include "reference.h"

#define TOLERANCE 1e-6  // of the scale in reference.h
#define SUM_TOLERANCE 2e-6  // of a map whose values are all alike the roundings add up

typedef struct {
  const gnl_layer_kernels *kernels;
  reference_layer reference;
  double *right, *scale;  // (channels, pixels)
  guarded filters, seed, generated, plain, x, packed;
  double worst;
} trial;

static size_t padded_channels(int channels, int block) { return block ? (size_t)(channels + block - 1) / block * block : (size_t)channels; }

static size_t place(int channel, size_t pixel, size_t pixels, int block) {
  if (!block) return channel * pixels + pixel;
  return (channel / block * pixels + pixel) * block + channel % block;
}

// Where the j-th input of seed map i stands.
static int input_channel(const gnl_layer *l, int i, int j) {
  const int block = l->block;
  if (l->apart && block && i < l->seeds / block * block) return (i / block * l->inputs + j) * block + i % block;
  return i * l->inputs + j;
}

static guarded in_layout(const gnl_layer *l, const gnl_size *size, const float *plain) {
  const size_t pixels = (size_t)size->in_height * size->in_width;
  guarded x = guarded_floats(padded_channels(l->seeds * l->inputs, l->block) * pixels, random_below(2), 0);
  for (int i = 0; i < l->seeds; i++)
    for (int j = 0; j < l->inputs; j++)
      for (size_t p = 0; p < pixels; p++)
        x.floats[place(input_channel(l, i, j), p, pixels, l->block)] = plain[(i * l->inputs + j) * pixels + p];
  return x;
}

static void make_tensors(trial *t) {
  const gnl_layer *l = &t->reference.layer;
  const int generated = l->channels - l->seeds;
  t->filters = random_floats(l->given ? 0 : (size_t)l->seeds * l->inputs * l->window.height * l->window.width, 1);
  t->seed = random_floats((size_t)GNL_SEED_ROWS * l->seeds, 2);
  t->generated = random_floats((size_t)GNL_GENERATED_ROWS * generated, 2);
  for (int i = 0; i < generated; i++) t->generated.floats[GNL_EXPONENT * generated + i] = 1 + 6 * (float)random_below(1000) / 1000;
  t->plain = random_image(reference_input(l, &t->reference.size));
  t->x = in_layout(l, &t->reference.size, t->plain.floats);
  t->reference.x = t->plain.floats;
  t->reference.filters = l->given ? NULL : t->filters.floats;
  t->reference.seed = t->seed.floats;
  t->reference.generated = generated ? t->generated.floats : NULL;
  t->packed = guarded_floats(t->kernels->packed_floats(l), random_below(2), 0xff);
  t->kernels->pack(l, t->reference.filters, t->reference.seed, t->reference.generated, t->packed.floats);
}

static void free_tensors(trial *t) {
  guarded *all[] = {&t->filters, &t->seed, &t->generated, &t->plain, &t->x, &t->packed};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) guarded_free(all[i]);
}

static void shuffled(int *order, int count, int shuffle) {
  for (int i = 0; i < count; i++) order[i] = count - 1 - i;
  for (int i = count - 1; shuffle && i > 0; i--) {
    const int j = random_below(i + 1), kept = order[i];
    order[i] = order[j], order[j] = kept;
  }
}

// One image, its bands in some order, with memory that is dirty; the sums of the bands are added in their own order.
static void run(const trial *t, int shuffle, guarded *y, guarded *sums) {
  const gnl_layer *l = &t->reference.layer;
  const gnl_size *size = &t->reference.size;
  const size_t channels = padded_channels(l->channels, l->block);
  int order[size->bands];
  shuffled(order, size->bands, shuffle);
  *y = guarded_floats(channels * size->out_height * size->out_width, random_below(2), 0xff);
  *sums = guarded_floats(channels * size->bands, random_below(2), 0);
  for (int b = 0; b < size->bands; b++) {
    guarded scratch = guarded_floats(t->kernels->scratch_bytes(l, size) / sizeof(float), 0, shuffle ? 0xff : 0x7f);
    t->kernels->band(l, size, t->packed.floats, t->x.floats, y->floats, order[b], scratch.floats,
                     sums->floats + channels * order[b]);
    guarded_free(&scratch);
  }
}

static int differs(double got, double right, double scale, double *worst) {
  if (isnan(right)) return !isnan(got);
  if (isinf(right)) return got != right;
  const double error = fabs(got - right) / (isfinite(scale) ? scale + 1e-30 : 1e3 * (1 + fabs(right)));
  if (error > *worst) *worst = error;
  return !(error <= TOLERANCE);
}

static int wrong(const trial *t, const char *what, int channel, size_t pixel, double got, double right) {
  printf("WRONG %s: %g instead of %g in channel %d, pixel %zu of\n  ", what, got, right, channel, pixel);
  print_layer(&t->reference.layer, &t->reference.size);
  return 1;
}

static int check_channel(trial *t, int channel, const float *y, const float *sums) {
  const gnl_layer *l = &t->reference.layer;
  const size_t pixels = (size_t)t->reference.size.out_height * t->reference.size.out_width;
  const size_t channels = padded_channels(l->channels, l->block);
  double sum = 0, scale = 0, summed = 0;
  for (size_t p = 0; p < pixels; p++) {
    const float got = y[place(channel, p, pixels, l->block)];
    const size_t at = channel * pixels + p;
    if (channel >= l->channels) {
      if (got != 0) return wrong(t, "padding", channel, p, got, 0);
      continue;
    }
    if (differs(got, t->right[at], t->scale[at], &t->worst)) return wrong(t, "output", channel, p, got, t->right[at]);
    sum += t->right[at];
    scale += t->scale[at];
  }
  for (int b = 0; b < t->reference.size.bands; b++) summed += sums[channels * b + channel];
  return differs(summed, sum, SUM_TOLERANCE / TOLERANCE * scale, &t->worst) ? wrong(t, "sum", channel, 0, summed, sum) : 0;
}

static int same(const guarded *a, const guarded *b) { return !memcmp(a->floats, b->floats, a->count * sizeof(float)); }

static int check_runs(trial *t) {
  const gnl_layer *l = &t->reference.layer;
  guarded y, sums, again, sums_again;
  run(t, 0, &y, &sums);
  run(t, 1, &again, &sums_again);
  int bad = 0;
  if (!same(&y, &again)) bad = wrong(t, "bands: the order changes an output", 0, 0, 0, 0);
  if (!same(&sums, &sums_again)) bad = wrong(t, "bands: the order changes a sum", 0, 0, 0, 0);
  for (int c = 0; !bad && c < (int)padded_channels(l->channels, l->block); c++) bad = check_channel(t, c, y.floats, sums.floats);
  guarded *all[] = {&y, &sums, &again, &sums_again};
  for (int i = 0; i < 4; i++) guarded_free(all[i]);
  return bad;
}

static int one_layer(trial *t, int block) {
  gnl_size *size = &t->reference.size;
  random_layer(block, &t->reference.layer, size);
  const int most = t->reference.layer.given ? size->out_height * size->out_width : size->out_height;
  size->bands = t->kernels->bands(&t->reference.layer, size);
  if (size->bands < 1 || size->bands > most) return wrong(t, "number of bands", 0, 0, size->bands, most);
  if (random_below(2)) size->bands = 1 + random_below(most < 9 ? most : 9);
  make_tensors(t);
  const size_t outputs = (size_t)t->reference.layer.channels * size->out_height * size->out_width;
  t->right = calloc(outputs, sizeof(double));
  t->scale = calloc(outputs, sizeof(double));
  reference_run(&t->reference, t->right, t->scale);
  const int bad = check_runs(t);
  free(t->right);
  free(t->scale);
  free_tensors(t);
  return bad;
}

int main(int argc, char **argv) {
  const gnl_kernels *set = argc < 4 ? NULL : gnl_named(argv[3]);
  const int blocked = argc > 4 && !strcmp(argv[4], "blocked");
  trial t = {.kernels = !set ? NULL : blocked ? set->blocked : set->plain};
  if (!t.kernels) {
    fprintf(stderr, "no such kernels here; usage: fuzz_layer SEED COUNT INSTRUCTION_SET [plain|blocked]\n");
    return 2;
  }
  const int count = atoi(argv[2]);
  random_start((unsigned)atoi(argv[1]));
  for (int i = 0; i < count; i++)
    if (one_layer(&t, blocked ? set->block : 0)) return 1;
  printf("%s %s: %d layers, worst error %.2e of the scale\n", set->name, blocked ? "blocked" : "plain", count, t.worst);
  return 0;
}
