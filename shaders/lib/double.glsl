// The functions of math.glsl on doubles; GLSL has exp, log, sin and cos of float alone.
#define REAL double
#define REAL_PI 3.14159265358979323846lf
#define REAL_LN2 0.69314718055994530942lf
#define REAL_NAN packDouble2x32(uvec2(0u, 0x7ff80000u))
#define ATAN_TERM 47

double vc_infinity() { return packDouble2x32(uvec2(0u, 0x7ff00000u)); }

double vc_min(double a, double b) { return a < b || isnan(a) ? a : b; }
double vc_max(double a, double b) { return a > b || isnan(a) ? a : b; }

// 2^n for -1022 <= n <= 1023.
double vc_power_of_two(int n) { return packDouble2x32(uvec2(0u, uint(n + 1023) << 20)); }

double exp(double x) {
  if (isnan(x) || x > 710.0) return x > 710.0 ? vc_infinity() : x;
  if (x < -746.0) return 0.0lf;
  double n = floor(x * 1.4426950408889634lf + 0.5lf);
  double r = (x - n * 0.693147180369123816490lf) - n * 1.90821492927058770002e-10lf;
  double sum = 1.0;
  for (int k = 15; k >= 1; --k) sum = 1.0 + sum * r / double(k);
  int whole = int(n);
  return sum * vc_power_of_two(whole / 2) * vc_power_of_two(whole - whole / 2);
}

// The exponent, and the series of the inverse hyperbolic tangent for the fraction.
double log(double x) {
  if (!(x > 0.0) || x == vc_infinity()) return x == 0.0 ? -vc_infinity() : x > 0.0 ? x : REAL_NAN;
  int exponent = 0;
  if (x < 2.2250738585072014e-308lf) {
    x *= 18014398509481984.0lf;
    exponent = -54;
  }
  uvec2 bits = unpackDouble2x32(x);
  exponent += int(bits.y >> 20) - 1023;
  double fraction = packDouble2x32(uvec2(bits.x, (bits.y & 0xfffffu) | 0x3ff00000u));
  if (fraction > 1.4142135623730951lf) {
    fraction *= 0.5;
    ++exponent;
  }
  double s = (fraction - 1.0) / (fraction + 1.0);
  double sum = 0.0;
  for (int k = 23; k >= 1; k -= 2) sum = 1.0lf / double(k) + s * s * sum;
  return double(exponent) * 0.6931471805599453lf + 2.0 * s * sum;
}

// The rest of x after multiples of pi/2, which `quarter` counts.
double vc_quarter(double x, out int quarter) {
  double n = roundEven(x * (2.0lf / REAL_PI));
  quarter = int(n - 4.0 * floor(n * 0.25));
  return (x - n * 1.57079632673412561417lf) - n * 6.07710050650619224932e-11lf;
}
double vc_sin_series(double x) {
  double sum = 1.0;
  for (int k = 20; k >= 2; k -= 2) sum = 1.0 - x * x * sum / double(k * (k + 1));
  return x * sum;
}
double vc_cos_series(double x) {
  double sum = 1.0;
  for (int k = 20; k >= 2; k -= 2) sum = 1.0 - x * x * sum / double(k * (k - 1));
  return sum;
}
double vc_wave(double rest, int quarter) {
  double y = (quarter & 1) == 0 ? vc_sin_series(rest) : vc_cos_series(rest);
  return (quarter & 2) == 0 ? y : -y;
}
double sin(double x) {
  int quarter;
  double rest = vc_quarter(x, quarter);
  return vc_wave(rest, quarter);
}
double cos(double x) {
  int quarter;
  double rest = vc_quarter(x, quarter);
  return vc_wave(rest, quarter + 1);
}

#include "shaders/lib/functions.glsl"

// exp(-x^2) times a series of positive terms.
double vc_erf(double x) {
  double a = abs(x);
  if (a > 6.0) return sign(x);
  double sum = 0.0;
  double term = a;
  for (int n = 1; term > sum * 1e-17lf && n < 400; n += 2) {
    sum += term;
    term *= 2.0 * a * a / double(n + 2);
  }
  return isnan(x) ? x : sign(x) * 1.12837916709551257390lf * exp(-a * a) * sum;
}

double vc_tanh(double x) {
  double t = exp(-2.0 * abs(x));
  double y = (1.0 - t) / (1.0 + t);
  return x < 0.0 ? -y : y;
}
double vc_gelu(double x) { return x * 0.5 * (1.0 + vc_erf(x * 0.70710678118654752440lf)); }
double vc_gelu_tanh(double x) {
  return 0.5 * x * (1.0 + vc_tanh(0.79788456080286535588lf * (x + 0.044715lf * x * x * x)));
}
double vc_sign(double x) { return x > 0.0 ? 1.0lf : x < 0.0 ? -1.0lf : x; }
double vc_softplus(double x) { return vc_max(x, 0.0lf) + vc_log1p(exp(-abs(x))); }
double vc_sin(double x) { return sin(x); }
double vc_cos(double x) { return cos(x); }
double vc_round_even(double x) { return roundEven(x); }

// Whole exponents by squaring, so that powers of integers are exact.
double vc_pow(double a, double b) {
  double whole = floor(b);
  if (b == 0.0 || a == 1.0) return 1.0lf;
  if (whole == b && abs(b) <= 1024.0) {
    double result = 1.0;
    double base = a;
    for (uint left = uint(abs(b)); left != 0u; left >>= 1) {
      if ((left & 1u) != 0u) result *= base;
      base *= base;
    }
    return b < 0.0 ? 1.0lf / result : result;
  }
  double magnitude = exp(b * log(abs(a)));
  if (a >= 0.0) return magnitude;
  if (whole != b) return REAL_NAN;
  return whole - 2.0 * floor(whole * 0.5) == 1.0 ? -magnitude : magnitude;
}
