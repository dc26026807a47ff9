// Vectors of LANES floats, the same for every instruction set: its own header (`vector_avx2.h` …) defines LANES, includes
// this one, and adds what the compilers' portable vectors lack:
//   vfma(a, b, c)           a·b + c, rounded once where the processor can
//   vmax(a, b), vmin(a, b)  b where either is NaN, so that vmax(limit, x) keeps a NaN of x
//   vround(v)               the nearest whole number, ties to even; infinities and NaN stay
//   vfraction(v)            v less that number; of an infinity NaN
//   vtoint(v)               the same as an integer; of no meaning beyond int32
//   vsign_of_odd(v)         the sign bit where the nearest whole number is odd, else 0
//   vsqrt(v)                correctly rounded
//   ld_part(p, n)           the first n < LANES floats, zeros behind; nothing after them is read
//   st_part(p, v, n)        the first n < LANES lanes; nothing after them is written
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define APART static __attribute__((noinline))

// Before a loop whose number of turns is known: an array of sums stays in registers only where its loops are unrolled.
#if defined(__clang__)
#define NO_UNROLL _Pragma("clang loop unroll(disable)")
#ifndef UNROLL
#define UNROLL _Pragma("clang loop unroll(full)")
#endif
#else
#define NO_UNROLL _Pragma("GCC unroll 1")
#ifndef UNROLL
#define UNROLL _Pragma("GCC unroll 64")
#endif
#endif

typedef float V __attribute__((vector_size(4 * LANES)));
typedef int32_t VI __attribute__((vector_size(4 * LANES)));
typedef float V_anywhere __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

INLINE V ld(const float *p) { return *(const V_anywhere *)p; }
INLINE void st(float *p, V v) { *(V_anywhere *)p = v; }
INLINE V set1(float x) { return x - (V){0}; }  // `x + 0` would cost an addition, for the sake of −0
INLINE VI set1i(int32_t x) { return x - (VI){0}; }
INLINE V vselect(VI mask, V a, V b) { return (V)(((VI)a & mask) | ((VI)b & ~mask)); }
INLINE V vabs(V v) { return (V)((VI)v & set1i(0x7fffffff)); }
INLINE V vfloat(VI v) { return __builtin_convertvector(v, V); }

#if LANES == 16
#define SHUFFLE_EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define SHUFFLE_ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#elif LANES == 8
#define SHUFFLE_EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define SHUFFLE_ODD 1, 3, 5, 7, 9, 11, 13, 15
#else
#define SHUFFLE_EVEN 0, 2, 4, 6
#define SHUFFLE_ODD 1, 3, 5, 7
#endif

// Of the 2·LANES floats a, b those of even and of odd number.
INLINE V shuffle_even(V a, V b) { return __builtin_shufflevector(a, b, SHUFFLE_EVEN); }
INLINE V shuffle_odd(V a, V b) { return __builtin_shufflevector(a, b, SHUFFLE_ODD); }

#if LANES == 4  // without instructions for a part of a vector
INLINE V ld_part(const float *p, int n) {
  V v = {0};
  for (int i = 0; i < 3; i++)
    if (i < n) v[i] = p[i];
  return v;
}
INLINE void st_part(float *p, V v, int n) {
  for (int i = 0; i < 3; i++)
    if (i < n) p[i] = v[i];
}
#endif
