// Sixteen lanes: AVX-512 F, BW, DQ, VL (x86-64-v4).
#pragma once
#define LANES 16
#include <immintrin.h>

#include "vector.h"

INLINE V vfma(V a, V b, V c) { return (V)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
INLINE V vmax(V a, V b) { return (V)_mm512_max_ps((__m512)a, (__m512)b); }
INLINE V vmin(V a, V b) { return (V)_mm512_min_ps((__m512)a, (__m512)b); }
INLINE V vround(V v) { return (V)_mm512_roundscale_ps((__m512)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
INLINE V vfraction(V v) {
  const V part = (V)_mm512_reduce_ps((__m512)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);  // of an infinity 0
  return vfma(v, set1(0), part);
}
INLINE VI vtoint(V v) { return (VI)_mm512_cvtps_epi32((__m512)v); }
INLINE VI vsign_of_odd(V v) { return vtoint(v) << 31; }  // beyond int32 the processor gives an even number
INLINE V vsqrt(V v) { return (V)_mm512_sqrt_ps((__m512)v); }

INLINE __mmask16 first_lanes(int n) { return (__mmask16)((1u << n) - 1); }
INLINE V ld_part(const float *p, int n) { return (V)_mm512_maskz_loadu_ps(first_lanes(n), p); }
INLINE void st_part(float *p, V v, int n) { _mm512_mask_storeu_ps(p, first_lanes(n), (__m512)v); }
