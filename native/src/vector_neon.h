// Four lanes: NEON of 64-bit Arm.
#pragma once
#define LANES 4
#include <arm_neon.h>

#include "vector.h"

INLINE V vfma(V a, V b, V c) { return (V)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
INLINE V vmax(V a, V b) { return (V)vmaxq_f32((float32x4_t)a, (float32x4_t)b); }  // NaN where either is
INLINE V vmin(V a, V b) { return (V)vminq_f32((float32x4_t)a, (float32x4_t)b); }
INLINE V vround(V v) { return (V)vrndnq_f32((float32x4_t)v); }
INLINE V vfraction(V v) { return v - vround(v); }
INLINE VI vtoint(V v) { return (VI)vcvtnq_s32_f32((float32x4_t)v); }
// Beyond int32 the processor gives the greatest integer, which is odd: the sign of such a sine, 0, is of no meaning.
INLINE VI vsign_of_odd(V v) { return vtoint(v) << 31; }
INLINE V vsqrt(V v) { return (V)vsqrtq_f32((float32x4_t)v); }
