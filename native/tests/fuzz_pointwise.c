// Random pointwise products of one instruction set's kernels, every tensor between guard pages, against a plain loop in
// double; also with the residual's memory for the output, as the runtime may ask.
//   fuzz_pointwise SEED COUNT INSTRUCTION_SET [plain]
// Prints the worst error as a part of the sum of absolute products. Exit codes: 0 right, 1 wrong, 2 not to be run here.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "activations.h"
#include "guarded.h"
#include "random_layer.h"

// Of 1 + |b| + |r| + Σ|w·x|.
#define TOLERANCE 1e-6

typedef struct {
  const gnl_pointwise_kernels *kernels;
  gnl_pointwise product;
  size_t pixels;
  int bands, with_residual;
  guarded weight, bias, x, residual;
  double worst;
} trial;

static int any_size(int most) { return 1 + (random_below(3) ? random_below(most < 40 ? most : 40) : random_below(most)); }

static void make(trial *t) {
  gnl_pointwise *p = &t->product;
  *p = (gnl_pointwise){any_size(600), any_size(200), random_below(GNL_ACTIVATIONS)};
  t->pixels = random_below(4) ? (size_t)any_size(300) : 1;
  const int most = t->kernels->bands(p, t->pixels);
  t->bands = most;
  t->with_residual = random_below(2);
  t->weight = random_floats((size_t)p->in_channels * p->out_channels, 1);
  t->bias = random_floats(p->out_channels, 2);
  t->x = random_image((size_t)p->in_channels * t->pixels);
  t->residual = random_image((size_t)p->out_channels * t->pixels);
}

static void clear(trial *t) {
  guarded *all[] = {&t->weight, &t->bias, &t->x, &t->residual};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) guarded_free(all[i]);
}

static void run(const trial *t, const float *residual, float *y, int backwards) {
  for (int i = 0; i < t->bands; i++) {
    const int band = backwards ? t->bands - 1 - i : i;
    const size_t floats = t->kernels->scratch_bytes(&t->product, t->pixels, t->bands) / sizeof(float);
    guarded scratch = guarded_floats(floats, random_below(2), 0xff);
    t->kernels->band(&t->product, t->pixels, t->bands, t->weight.floats, t->bias.floats, t->x.floats, residual, y, band,
                     scratch.floats);
    guarded_free(&scratch);
  }
}

static double reference(const trial *t, int channel, size_t pixel, double *scale) {
  const size_t at = (size_t)channel * t->pixels + pixel;
  const int in = t->product.in_channels;
  double sum = t->bias.floats[channel];
  *scale = 1 + fabs(sum);
  for (int k = 0; k < in; k++) {
    const double product = (double)t->weight.floats[(size_t)channel * in + k] * t->x.floats[k * t->pixels + pixel];
    sum += product, *scale += fabs(product);
  }
  if (t->with_residual) sum += t->residual.floats[at], *scale += fabs(t->residual.floats[at]);
  return activation_of(t->product.activation, sum);
}

static int wrong(const trial *t, const char *what, int channel, size_t pixel, double got, double right) {
  printf("WRONG %s: %g instead of %g in channel %d, pixel %zu of %d -> %d channels, %zu pixels, activation %d, %s residual\n",
         what, got, right, channel, pixel, t->product.in_channels, t->product.out_channels, t->pixels,
         t->product.activation, t->with_residual ? "with" : "without");
  return 1;
}

static int check(trial *t, const float *y) {
  for (int c = 0; c < t->product.out_channels; c++)
    for (size_t p = 0; p < t->pixels; p++) {
      double scale;
      const double right = reference(t, c, p, &scale), got = y[(size_t)c * t->pixels + p];
      if (isnan(right) ? !isnan(got) : !isfinite(scale) && got != right) return wrong(t, "output", c, p, got, right);
      if (!isfinite(right) || !isfinite(scale)) continue;
      const double error = fabs(got - right) / scale;
      if (error > t->worst) t->worst = error;
      if (!(error <= TOLERANCE)) return wrong(t, "output", c, p, got, right);
    }
  return 0;
}

static int one_product(trial *t) {
  make(t);
  const size_t outputs = (size_t)t->product.out_channels * t->pixels;
  guarded y = guarded_floats(outputs, random_below(2), 0xff), again = guarded_floats(outputs, random_below(2), 0);
  if (t->with_residual) memcpy(again.floats, t->residual.floats, outputs * sizeof(float));
  run(t, t->with_residual ? t->residual.floats : NULL, y.floats, 0);
  run(t, t->with_residual ? again.floats : NULL, again.floats, 1);
  int bad = check(t, y.floats);
  if (!bad && memcmp(y.floats, again.floats, outputs * sizeof(float))) bad = wrong(t, "in place, bands backwards", 0, 0, 0, 0);
  guarded_free(&y);
  guarded_free(&again);
  clear(t);
  return bad;
}

int main(int argc, char **argv) {
  const gnl_kernels *set = argc < 4 ? NULL : gnl_named(argv[3]);
  trial t = {.kernels = set == NULL || (argc > 4 && strcmp(argv[4], "plain")) ? NULL : set->pointwise};
  if (t.kernels == NULL) {
    fprintf(stderr, "no such kernels here; usage: fuzz_pointwise SEED COUNT INSTRUCTION_SET [plain]\n");
    return 2;
  }
  const int count = atoi(argv[2]);
  random_start((unsigned)atoi(argv[1]));
  for (int i = 0; i < count; i++)
    if (one_product(&t)) return 1;
  printf("%s: %d products, worst error %.2e of the sum of absolute products\n", set->name, count, t.worst);
  return 0;
}
