// The functions of the operators on vectors. Of NaN, infinities, denormals and huge arguments they give what the formulas
// in float32 give: a NaN stays one, the sine of an infinity is NaN, of a huge argument at most 1.
#pragma once
#include "groupnl_native.h"

// scale·sin(π·u) for many u: the terms of an odd polynomial of degree 9 on [−1/2, 1/2], each times the scale.
typedef struct { V term[5]; } gnl_sine;

INLINE gnl_sine sine_times(float scale) {
  static const float terms[5] = {3.14159258f, -5.16770688f, 2.55003138f, -0.59804517f, 0.07722012f};
  gnl_sine sine;
  for (int i = 0; i < 5; i++) sine.term[i] = set1(scale * terms[i]);
  return sine;
}

// The polynomial of u − n, where n is the nearest whole number, and that with the sign of n's parity: the sine is their
// product.
INLINE V sine_factors(const gnl_sine *sine, V u, V *turned) {
  const V n = vround(u), r = u - n, r2 = r * r;
  V q = vfma(r2, sine->term[4], sine->term[3]);
  q = vfma(r2, q, sine->term[2]);
  q = vfma(r2, q, sine->term[1]);
  *turned = (V)((VI)r ^ vsign_of_odd(u));
  return vfma(r2, q, sine->term[0]);
}

// shift + scale·sin(π·u), of scale 1 within 1e-6.
INLINE V sine_plus(const gnl_sine *sine, V u, V shift) {
  V turned;
  const V q = sine_factors(sine, u, &turned);
  return vfma(turned, q, shift);
}

INLINE V sin_pi(V u) {
  const gnl_sine sine = sine_times(1);
  V turned;
  const V q = sine_factors(&sine, u, &turned);
  return turned * q;
}

// sin(2π·u): an odd polynomial of degree 11 that is 0 at 0 and ±1/2, of u less the nearest whole number. Within 3e-7.
INLINE V sin_turns(V u) {
  const V r = vfraction(u), r2 = r * r;
  V q = vfma(r2, set1(12.2333012f), set1(-38.1231956f));
  q = vfma(r2, q, set1(67.0438995f));
  q = vfma(r2, q, set1(-64.8346786f));
  q = vfma(r2, q, set1(25.1327305f));
  return r * vfma(-r, r, set1(0.25f)) * q;
}

// 2ⁿ·v for |n| ≤ 252, in two steps, so that the result may be a denormal.
INLINE V times_power_of_two(V v, VI n) {
  const VI half = n >> 1, rest = n - half;
  return v * (V)((half + 127) << 23) * (V)((rest + 127) << 23);
}

// exp(r) for |r| ≤ ln(2)/2 (the polynomial of Cephes' expf).
INLINE V exp_near_zero(V r) {
  V q = vfma(r, set1(1.9875691500e-4f), set1(1.3981999507e-3f));
  q = vfma(r, q, set1(8.3334519073e-3f));
  q = vfma(r, q, set1(4.1665795894e-2f));
  q = vfma(r, q, set1(1.6666665459e-1f));
  q = vfma(r, q, set1(5.0000001201e-1f));
  return vfma(q, r * r, r) + set1(1);
}

INLINE V vexp(V x) {
  const V bounded = vmax(set1(-104), vmin(set1(89), x));  // beyond, the result is 0 or infinite
  const V n = vround(bounded * set1(1.44269504f));
  const V r = vfma(n, set1(2.12194440e-4f), vfma(n, set1(-0.693359375f), bounded));  // −ln 2 in two parts
  return times_power_of_two(exp_near_zero(r), vtoint(n));
}

// |u| = 2^exponent·m with m in [√½, √2): returns log₂ m. |u| is neither 0 nor infinite.
INLINE V log2_of_fraction(V magnitude, V *exponent) {
  const VI tiny = magnitude < set1(0x1p-126f);
  const VI bits = (VI)vselect(tiny, magnitude * set1(0x1p24f), magnitude), e = (bits - 0x3f3504f3) >> 23;
  *exponent = vfloat(e - (tiny & 24));
  const V m = (V)(bits - (e << 23)), f = (m - set1(1)) / (m + set1(1)), f2 = f * f;
  V q = vfma(f2, set1(1.0f / 9), set1(1.0f / 7));
  q = vfma(f2, q, set1(1.0f / 5));
  q = vfma(f2, q, set1(1.0f / 3));
  return vfma(q * f2, f, f) * set1(2.88539008f);  // 2/ln 2
}

// |u|^e of a magnitude that is neither 0 nor infinite. The product of e and the exponent is kept in two parts.
INLINE V power_of_finite(V magnitude, V e) {
  V exponent;
  const V logarithm = log2_of_fraction(magnitude, &exponent);
  const V high = (V)((VI)e & (int32_t)0xfffff000), low = e - high, whole = high * exponent;
  const V rest = vfma(e, logarithm, low * exponent);
  const V n = vround(vmax(set1(-252), vmin(set1(252), whole + rest)));
  const V f = vmax(set1(-1), vmin(set1(1), (whole - n) + rest));
  return times_power_of_two(exp_near_zero(f * set1(0.693147181f)), vtoint(n));
}

// sign(u)·|u|^e
INLINE V monomial(V u, V e) {
  const V magnitude = vabs(u), zero = set1(0), infinity = set1(__builtin_inff());
  const V below = vselect(e < zero, set1(__builtin_nanf("")), zero);  // 0·0^e
  const V above = vselect(e > zero, infinity, vselect(e < zero, zero, set1(1)));
  V power = power_of_finite(magnitude, e);
  power = vselect(magnitude == infinity, above, vselect(magnitude == zero, below, power));
  return vselect(u != u, u, (V)((VI)power | ((VI)u & INT32_MIN)));
}

INLINE V apply_function(int function, V u, V e) {
  switch (function) {
    case GNL_SINE: return sin_pi(u);
    case GNL_MONOMIAL: return monomial(u, e);
    case GNL_GAUSSIAN: return vexp(-(u * u));
    case GNL_LAPLACE: return vexp(-vabs(u));
    default: return vexp(-u);
  }
}

INLINE V unit_clip(V v) { return vmin(set1(1), vmax(set1(0), v)); }
INLINE V sigmoid(V v) { return set1(1) / (set1(1) + vexp(-v)); }

INLINE V activate(int activation, V v) {
  switch (activation) {
    case GNL_RELU: return vmax(set1(0), v);
    case GNL_RELU6: return vmin(set1(6), vmax(set1(0), v));
    case GNL_HARDSWISH: return v * unit_clip(vfma(v, set1(1.0f / 6), set1(0.5f)));
    case GNL_SILU: return v / (set1(1) + vexp(-v));
    case GNL_HARDSIGMOID: return unit_clip(vfma(v, set1(1.0f / 6), set1(0.5f)));
    case GNL_SIGMOID: return sigmoid(v);
    default: return v;
  }
}

// Of v that comes times `scale_before(activation)`, which costs nothing where v is the result of an affine map:
// HardSwish of v = √6·u is u·clip(u + √6/2, 0, √6).
INLINE float scale_before(int activation) { return activation == GNL_HARDSWISH ? 0.408248290f : 1; }

INLINE V activate_scaled(int activation, V u) {
  const V root = set1(2.44948974f);
  if (activation != GNL_HARDSWISH) return activate(activation, u);
  return u * vmin(root, vmax(set1(0), u + set1(1.22474487f)));
}
