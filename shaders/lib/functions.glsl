// Functions of REAL, float or double, from its exp, log, sin, cos and sqrt. Before: math.glsl or double.glsl, and the
// constants REAL_PI, REAL_LN2, REAL_NAN and ATAN_TERM (the last power of its series).
REAL vc_fmod(REAL a, REAL b) {
  if (isinf(b) && !isinf(a)) return a;
  REAL r = a - b * trunc(a / b);
  return abs(r) < abs(b) ? r : abs(r) == abs(b) ? 0.0 * a : r;
}

REAL vc_mod(REAL a, REAL b) {
  REAL r = vc_fmod(a, b);
  return r != 0.0 && (r < 0.0) != (b < 0.0) ? r + b : r;
}

// log(1 + x) without loss near 0: the factor undoes the rounding of 1 + x.
REAL vc_log1p(REAL x) {
  REAL u = 1.0 + x;
  return u == 1.0 ? x : isinf(u) ? u : log(u) * (x / (u - 1.0));
}

// Its series where that converges fast; tan(pi/8) = 0.41421356.
REAL vc_atan_series(REAL x) {
  REAL s = x * x;
  REAL sum = REAL(0.0);
  for (int n = ATAN_TERM; n >= 1; n -= 2) sum = 1.0 / REAL(n) - s * sum;
  return x * sum;
}

REAL vc_atan(REAL x) {
  REAL a = abs(x);
  REAL y = a > 2.41421356   ? 0.5 * REAL_PI - vc_atan_series(1.0 / a)
           : a > 0.41421356 ? 0.25 * REAL_PI + vc_atan_series((a - 1.0) / (a + 1.0))
                            : vc_atan_series(a);
  return isnan(x) ? x : x < 0.0 ? -y : y;
}

REAL vc_asin(REAL x) {
  if (!(abs(x) <= 1.0)) return REAL_NAN;
  return abs(x) == 1.0 ? 0.5 * REAL_PI * x : vc_atan(x / sqrt((1.0 - x) * (1.0 + x)));
}

REAL vc_acos(REAL x) {
  if (!(abs(x) <= 1.0)) return REAL_NAN;
  return x == -1.0 ? REAL_PI : 2.0 * vc_atan(sqrt((1.0 - x) / (1.0 + x)));
}

REAL vc_asinh(REAL x) {
  REAL a = abs(x);
  REAL y = a > 1e9 ? log(a) + REAL_LN2 : vc_log1p(a + a * a / (1.0 + sqrt(a * a + 1.0)));
  return x < 0.0 ? -y : y;
}

REAL vc_acosh(REAL x) {
  if (!(x >= 1.0)) return REAL_NAN;
  REAL t = x - 1.0;
  return x > 1e9 ? log(x) + REAL_LN2 : vc_log1p(t + sqrt(t * (2.0 + t)));
}

REAL vc_atanh(REAL x) {
  REAL a = abs(x);
  if (!(a <= 1.0)) return REAL_NAN;
  REAL y = a == 1.0 ? 1.0 / (1.0 - a) : 0.5 * vc_log1p(2.0 * a / (1.0 - a));
  return x < 0.0 ? -y : y;
}

// Halves of the exponent keep what is finite finite.
REAL vc_cosh(REAL x) {
  REAL e = exp(0.5 * abs(x));
  return 0.5 * e * e + 0.5 / (e * e);
}

REAL vc_sinh(REAL x) {
  REAL a = abs(x);
  REAL e = exp(0.5 * a);
  REAL series = REAL(1.0);
  for (int k = 16; k >= 2; k -= 2) series = 1.0 + a * a * series / REAL(k * (k + 1));
  REAL y = a < 0.5 ? a * series : 0.5 * e * e - 0.5 / (e * e);
  return x < 0.0 ? -y : y;
}

REAL vc_tan(REAL x) { return sin(x) / cos(x); }
