// Four lanes for any processor; on x86-64 with what every one has (SSE2).
#pragma once
#define LANES 4
#if defined(__SSE2__)
#include <emmintrin.h>
#else
#include <math.h>
#define UNROLL  // a processor with another unit beside this one; with functions lane by lane compilers refuse to unroll
#endif

#include "vector.h"

INLINE V vfma(V a, V b, V c) { return a * b + c; }

#if defined(__SSE2__)
INLINE V vmax(V a, V b) { return (V)_mm_max_ps((__m128)a, (__m128)b); }
INLINE V vmin(V a, V b) { return (V)_mm_min_ps((__m128)a, (__m128)b); }
INLINE V vsqrt(V v) { return (V)_mm_sqrt_ps((__m128)v); }
INLINE VI vtoint(V v) { return (VI)_mm_cvtps_epi32((__m128)v); }
INLINE VI vsign_of_odd(V v) { return vtoint(v) << 31; }  // beyond int32 the processor gives an even number
INLINE V vround(V v) {
  const VI small = vabs(v) < set1(0x1p23f);  // above, every number is whole
  return vselect(small, vfloat(vtoint(v)), v);
}
#else
INLINE V vmax(V a, V b) { return vselect(a > b, a, b); }
INLINE V vmin(V a, V b) { return vselect(a < b, a, b); }
INLINE V vsqrt(V v) {
  for (int i = 0; i < LANES; i++) v[i] = sqrtf(v[i]);
  return v;
}
INLINE V vround(V v) {
  const V whole = (V)(((VI)v & set1i(INT32_MIN)) | (VI)set1(0x1p23f));  // 2²³ with the sign of v
  return vselect(vabs(v) < set1(0x1p23f), (v + whole) - whole, v);      // above, every number is whole
}
INLINE VI vtoint(V v) {
  const VI fits = vabs(v) < set1(0x1p31f);
  return __builtin_convertvector(vselect(fits, vround(v), set1(0)), VI);
}
INLINE VI vsign_of_odd(V v) { return vtoint(v) << 31; }
#endif
INLINE V vfraction(V v) { return v - vround(v); }
