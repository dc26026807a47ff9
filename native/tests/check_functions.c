// The vector functions against the C library's in double, over dense ranges and at NaN, infinities, denormals and huge
// arguments. Compiled for one instruction set: -DVECTORS='"vector_avx2.h"'. Prints each worst error; fails on a wrong one.
#include VECTORS

#include <math.h>
#include <stdio.h>

#include "activations.h"
#include "functions.h"

static int failures;

static float at(int which, int kind, float x, float e) {
  const V v = set1(x), r = which ? activate(kind, v) : apply_function(kind, v, set1(e));
  float lanes[LANES];
  st(lanes, r);
  for (int i = 1; i < LANES; i++)
    if (memcmp(lanes, lanes + i, 4)) printf("lanes differ at %g\n", (double)x), failures++;
  return lanes[0];
}

static double function_of(int function, double u, double e) {
  switch (function) {
    case GNL_SINE: return fabs(u) >= 0x1p53 ? u - u : sin(M_PI * (u - 2 * floor(u / 2)));
    case GNL_MONOMIAL: return u != u ? u : u == 0 ? 0 * pow(0, e) : copysign(pow(fabs(u), e), u);
    case GNL_GAUSSIAN: return exp(-u * u);
    case GNL_LAPLACE: return exp(-fabs(u));
    default: return exp(-u);
  }
}

// The worst of `count` arguments evenly between `low` and `high`: absolute, or relative above 1.
static void dense(const char *name, int which, int kind, double low, double high, double e, double bound) {
  double worst = 0, where = 0;
  const int count = 200000;
  for (int i = 0; i <= count; i++) {
    const float x = (float)(low + (high - low) * i / count);
    const double right = which ? activation_of(kind, x) : function_of(kind, x, (float)e);
    const double error = fabs(at(which, kind, x, (float)e) - right) / fmax(1, fabs(right));
    if (!(error <= worst)) worst = error, where = x;
  }
  const int wrong = !(worst <= bound);
  if (wrong || e == 0) printf("%s%s from %g to %g: %.2e at %g\n", wrong ? "WRONG: " : "", name, low, high, worst, where);
  failures += wrong;
}

static void same(const char *name, int which, int kind, float x, float e) {
  const double right = (float)(which ? activation_of(kind, x) : function_of(kind, x, e));
  const double got = at(which, kind, x, e);
  const int equal = isnan(right) ? isnan(got) : isinf(right) ? got == right : fabs(got - right) <= 1e-6 * fmax(1, fabs(right));
  if (!equal) printf("WRONG: %s of %g (%g) is %g, not %g\n", name, (double)x, (double)e, got, right), failures++;
}

static void special(const char *name, int which, int kind) {
  static const float odd[] = {NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-45f, -1e-45f, 1e-39f, 1.17549435e-38f, 1, -1,
                              1e30f, -1e30f, 3.4028235e38f, -3.4028235e38f, 88.8f, -88.8f, 104, -104, 1e4f, -1e4f};
  static const float exponents[] = {1, 2, 3, 6.9f, 0.5f, 0, -1.5f, 1e30f, -1e30f};
  for (unsigned i = 0; i < sizeof odd / sizeof *odd; i++)
    for (unsigned j = 0; j < (which || kind != GNL_MONOMIAL ? 1 : sizeof exponents / sizeof *exponents); j++) {
      if (!which && kind == GNL_SINE && fabsf(odd[i]) >= 0x1p53f && isfinite(odd[i])) continue;
      same(name, which, kind, odd[i], exponents[j]);
    }
}

// Never more than 1: all floats around the peak, and any magnitude.
static void bounded_sine(void) {
  float greatest = 0;
  for (uint32_t bits = 0x3ef00000; bits <= 0x3f100000; bits++) {
    float x;
    memcpy(&x, &bits, 4);
    greatest = fmaxf(greatest, fabsf(at(0, GNL_SINE, x, 0)));
  }
  for (int i = 0; i < 500000; i++) {
    const float x = ldexpf(1 + (float)(i % 9973) / 9973, i % 254 - 126);
    const float y = fabsf(at(0, GNL_SINE, x, 0));
    greatest = y <= 1 ? fmaxf(greatest, y) : 9;
  }
  printf("sine: at most %.8f\n", greatest);
  if (!(greatest <= 1)) printf("WRONG: a sine above 1\n"), failures++;
}

int main(void) {
  static const char *const functions[] = {"sine", "monomial", "gaussian", "laplace", "exponential"};
  static const char *const activations[] = {"none", "relu", "relu6", "hardswish", "silu", "hardsigmoid", "sigmoid"};
  dense("sine", 0, GNL_SINE, -2, 2, 0, 1e-6);
  dense("sine", 0, GNL_SINE, -40, 40, 0, 1e-6);
  dense("sine", 0, GNL_SINE, -4.1e6, 3.9012e6, 0, 1e-6);
  for (double e = -3; e <= 8; e += 0.7) dense("monomial", 0, GNL_MONOMIAL, .01, 30, e, 1e-6);
  dense("monomial", 0, GNL_MONOMIAL, -2, 2, 7, 1e-6);
  for (int f = GNL_GAUSSIAN; f < GNL_FUNCTIONS; f++) dense(functions[f], 0, f, -9, 9, 0, 1e-6);
  dense("exponential", 0, GNL_EXPONENTIAL, -88, 110, 0, 1e-6);
  for (int a = 0; a < GNL_ACTIVATIONS; a++) dense(activations[a], 1, a, -20, 20, 0, 1e-6);
  for (int f = 0; f < GNL_FUNCTIONS; f++) special(functions[f], 0, f);
  for (int a = 0; a < GNL_ACTIVATIONS; a++) special(activations[a], 1, a);
  bounded_sine();
  return failures != 0;
}
