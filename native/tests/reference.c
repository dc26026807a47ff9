#include "reference.h"

#include <math.h>
#include <stdlib.h>

#include "activations.h"

typedef struct { double value, scale; } measured;

static double monomial(double u, double e) { return u != u ? u : u == 0 ? 0 * pow(0, e) : copysign(pow(fabs(u), e), u); }

static double function_of(int function, double u, double e) {
  switch (function) {
    case GNL_SINE: return sin(M_PI * (u - 2 * floor(u / 2)));
    case GNL_MONOMIAL: return monomial(u, e);
    case GNL_GAUSSIAN: return exp(-u * u);
    case GNL_LAPLACE: return exp(-fabs(u));
    default: return exp(-u);
  }
}

static double slope_of(int function, double u, double e) {
  switch (function) {
    case GNL_SINE: return M_PI;
    case GNL_MONOMIAL: return fabs(e) * pow(fabs(u), e - 1);
    case GNL_EXPONENTIAL: return exp(-u);
    default: return 1;
  }
}

size_t reference_input(const gnl_layer *layer, const gnl_size *size) {
  return (size_t)layer->seeds * layer->inputs * size->in_height * size->in_width;
}

// Seed map i at an output pixel; its scale is the sum of the absolute products.
static measured seed_at(const reference_layer *r, int i, int oy, int ox) {
  const gnl_window *w = &r->layer.window;
  const int height = r->size.in_height, width = r->size.in_width;
  measured sum = {0, 0};
  if (r->layer.given) {
    sum.value = r->x[((size_t)i * height + oy) * width + ox];
    return (measured){sum.value, fabs(sum.value)};
  }
  for (int j = i * r->layer.inputs; j < (i + 1) * r->layer.inputs; j++)
    for (int ky = 0; ky < w->height; ky++)
      for (int kx = 0; kx < w->width; kx++) {
        const int y = oy * w->stride_y - w->pad_top + ky * w->dilation_y, x = ox * w->stride_x - w->pad_left + kx * w->dilation_x;
        if (y < 0 || y >= height || x < 0 || x >= width) continue;
        const double product = (double)r->x[((size_t)j * height + y) * width + x] * r->filters[((size_t)j * w->height + ky) * w->width + kx];
        sum.value += product;
        sum.scale += fabs(product);
      }
  return sum;
}

static void normalise(measured *seeds, int count, double epsilon) {
  double squares = 0;
  for (int i = 0; i < count; i++) squares += seeds[i].value * seeds[i].value;
  const double norm = sqrt(squares), divisor = norm < epsilon ? epsilon : norm;
  double error = 0;  // of the norm, at most that of its greatest part
  for (int i = 0; i < count; i++) error += seeds[i].scale * seeds[i].scale;
  error = sqrt(error) / divisor + 1;
  for (int i = 0; i < count; i++) {
    seeds[i].scale = seeds[i].scale / divisor + fabs(seeds[i].value / divisor) * error;
    seeds[i].value /= divisor;
  }
}

static measured affine(measured v, double scale, double shift) {
  return (measured){scale * v.value + shift, fabs(scale) * (v.scale + fabs(v.value)) + fabs(shift)};
}

static measured generated_at(const reference_layer *r, const measured *seeds, int t) {
  const int all = r->layer.channels - r->layer.seeds, function = r->layer.function;
  const float *g = r->generated + t;
  const double e = g[GNL_EXPONENT * all];
  const measured u = affine(seeds[gnl_source(&r->layer, t)], g[GNL_PRE_SCALE * all], g[GNL_PRE_SHIFT * all]);
  measured v = {function_of(function, u.value, e), 0};
  v.scale = slope_of(function, u.value, e) * u.scale + fmax(1, fabs(v.value));
  return affine(v, g[GNL_POST_SCALE * all], g[GNL_POST_SHIFT * all]);
}

static void pixel(const reference_layer *r, int oy, int ox, measured *seeds, double *y, double *scale) {
  const gnl_layer *l = &r->layer;
  const size_t pixels = (size_t)r->size.out_height * r->size.out_width, at = (size_t)oy * r->size.out_width + ox;
  for (int i = 0; i < l->seeds; i++) seeds[i] = seed_at(r, i, oy, ox);
  if (l->normalize) normalise(seeds, l->seeds, l->epsilon);
  for (int c = 0; c < l->channels; c++) {
    const measured v = c < l->seeds ? affine(seeds[c], r->seed[c], r->seed[l->seeds + c]) : generated_at(r, seeds, c - l->seeds);
    y[c * pixels + at] = activation_of(l->activation, v.value);
    scale[c * pixels + at] = 1.5 * v.scale + fabs(v.value) + fabs(y[c * pixels + at]);  // 1.5: HardSwish's steepest slope
  }
}

void reference_run(const reference_layer *reference, double *y, double *scale) {
  measured *seeds = malloc(reference->layer.seeds * sizeof *seeds);
  if (!seeds) abort();
  for (int oy = 0; oy < reference->size.out_height; oy++)
    for (int ox = 0; ox < reference->size.out_width; ox++) pixel(reference, oy, ox, seeds, y, scale);
  free(seeds);
}
