// Functions on doubles that elementwise.def's rows of two operands use; GLSL has neither exp nor log of a double.
bool vc_is_nan(double x) { return !(x == x); }
double vc_infinity() { return packDouble2x32(uvec2(0u, 0x7ff00000u)); }
double vc_not_a_number() { return packDouble2x32(uvec2(0u, 0x7ff80000u)); }

double vc_min(double a, double b) { return a < b || vc_is_nan(a) ? a : b; }
double vc_max(double a, double b) { return a > b || vc_is_nan(a) ? a : b; }

double vc_fmod(double a, double b) {
  if (abs(b) == vc_infinity() && abs(a) != vc_infinity()) return a;
  double r = a - b * trunc(a / b);
  return abs(r) < abs(b) ? r : abs(r) == abs(b) ? 0.0 * a : r;
}
double vc_mod(double a, double b) {
  double r = vc_fmod(a, b);
  return r != 0.0 && (r < 0.0) != (b < 0.0) ? r + b : r;
}

// 2^n for -1022 <= n <= 1023.
double vc_power_of_two(int n) { return packDouble2x32(uvec2(0u, uint(n + 1023) << 20)); }

double vc_exp(double x) {
  if (vc_is_nan(x) || x > 710.0) return x > 710.0 ? vc_infinity() : x;
  if (x < -746.0) return 0.0lf;
  double n = floor(x * 1.4426950408889634lf + 0.5lf);
  double r = (x - n * 0.693147180369123816490lf) - n * 1.90821492927058770002e-10lf;
  double sum = 1.0;
  for (int k = 15; k >= 1; --k) sum = 1.0 + sum * r / double(k);
  int whole = int(n);
  return sum * vc_power_of_two(whole / 2) * vc_power_of_two(whole - whole / 2);
}

// For x > 0: the exponent, and the series of the inverse hyperbolic tangent for the fraction.
double vc_log(double x) {
  if (x == 0.0 || x == vc_infinity()) return x == 0.0 ? -vc_infinity() : x;
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
  double magnitude = vc_exp(b * vc_log(abs(a)));
  if (a >= 0.0) return magnitude;
  if (whole != b) return vc_not_a_number();
  return whole - 2.0 * floor(whole * 0.5) == 1.0 ? -magnitude : magnitude;
}
