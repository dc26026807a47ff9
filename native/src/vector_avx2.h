// Eight lanes: AVX2 and FMA (x86-64-v3).
#pragma once
#define LANES 8
#include <immintrin.h>

#include "vector.h"

INLINE V vfma(V a, V b, V c) { return (V)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
INLINE V vmax(V a, V b) { return (V)_mm256_max_ps((__m256)a, (__m256)b); }
INLINE V vmin(V a, V b) { return (V)_mm256_min_ps((__m256)a, (__m256)b); }
INLINE V vround(V v) { return (V)_mm256_round_ps((__m256)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
INLINE V vfraction(V v) { return v - vround(v); }
INLINE VI vtoint(V v) { return (VI)_mm256_cvtps_epi32((__m256)v); }
INLINE VI vsign_of_odd(V v) { return vtoint(v) << 31; }  // beyond int32 the processor gives an even number
INLINE V vsqrt(V v) { return (V)_mm256_sqrt_ps((__m256)v); }

INLINE __m256i first_lanes(int n) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }
INLINE V ld_part(const float *p, int n) { return (V)_mm256_maskload_ps(p, first_lanes(n)); }
INLINE void st_part(float *p, V v, int n) { _mm256_maskstore_ps(p, first_lanes(n), (__m256)v); }
