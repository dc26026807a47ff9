// Nanoseconds an element that each function on vectors takes, over floats in the first cache; the least of many runs.
// Compiled for one instruction set: -DVECTORS='"vector_avx2.h"'.
#include VECTORS

#include <stdio.h>
#include <time.h>

#include "functions.h"

enum { COUNT = 4096, RUNS = 300 };

static float in[COUNT], out[COUNT];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

// Of a function that is known when this is compiled, as in a kernel.
INLINE void all(int function) {
  for (int i = 0; i < COUNT; i += LANES) st(out + i, apply_function(function, ld(in + i), set1(3.0f)));
}

static void compute(int function) {
  switch (function) {
    case GNL_SINE: all(GNL_SINE); break;
    case GNL_MONOMIAL: all(GNL_MONOMIAL); break;
    case GNL_GAUSSIAN: all(GNL_GAUSSIAN); break;
    case GNL_LAPLACE: all(GNL_LAPLACE); break;
    default: all(GNL_EXPONENTIAL);
  }
}

int main(void) {
  static const char *const names[] = {"sine", "monomial", "gaussian", "laplace", "exponential"};
  for (int i = 0; i < COUNT; i++) in[i] = 8.0f * (float)i / COUNT - 4.0f;
  for (int function = 0; function < 5; function++) {
    double best = 1e30;
    for (int run = 0; run < RUNS; run++) {
      const double start = now();
      compute(function);
      const double took = now() - start;
      if (took < best) best = took;
    }
    printf("%-12s %.3f ns (%g)\n", names[function], best / COUNT, (double)out[COUNT / 3]);
  }
  return 0;
}
