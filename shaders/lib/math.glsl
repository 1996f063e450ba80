// Functions that elementwise.def and the activations use. Absolute error at most about 1e-6 in fp32.

// The first terms of its series near 0, else Abramowitz and Stegun 7.1.26.
float vc_erf(float x) {
  float s = x * x;
  if (s < 0.25) {
    float series =
        1.0 + s * (-1.0 / 3.0 + s * (0.1 + s * (-1.0 / 42.0 + s * (1.0 / 216.0 - s * (1.0 / 1320.0)))));
    return 1.1283791670955126 * x * series;
  }
  float t = 1.0 / (1.0 + 0.3275911 * abs(x));
  float poly =
      t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign(x) * (1.0 - poly * exp(-s));
}

float vc_tanh(float x) {
  float t = exp(-2.0 * abs(x));
  float y = (1.0 - t) / (1.0 + t);
  return x < 0.0 ? -y : y;
}

float vc_gelu(float x) { return x * 0.5 * (1.0 + vc_erf(x * 0.70710678118654752)); }

float vc_gelu_tanh(float x) {
  return 0.5 * x * (1.0 + vc_tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)));
}

// NaN if either is; min and max of GLSL may drop it.
float vc_min(float a, float b) { return a < b || isnan(a) ? a : b; }
float vc_max(float a, float b) { return a > b || isnan(a) ? a : b; }

float vc_sign(float x) { return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x; }

float vc_softplus(float x) { return max(x, 0.0) + log(1.0 + exp(-abs(x))); }

float vc_round_even(float x) { return roundEven(x); }

// pow of GLSL leaves negative bases undefined.
float vc_pow(float a, float b) {
  if (b == 0.0 || a == 1.0) return 1.0;
  if (b == 1.0) return a;
  if (b == 2.0) return a * a;
  if (b == 3.0) return a * a * a;
  if (b == 0.5) return sqrt(a);
  if (b == -1.0) return 1.0 / a;
  float magnitude = exp2(b * log2(abs(a)));
  if (a >= 0.0) return magnitude;
  float whole = floor(b);
  if (whole != b) return uintBitsToFloat(0x7fc00000u);
  return whole - 2.0 * floor(whole * 0.5) == 1.0 ? -magnitude : magnitude;
}

float vc_fmod(float a, float b) {
  if (isinf(b) && !isinf(a)) return a;
  float r = a - b * trunc(a / b);
  return abs(r) < abs(b) ? r : abs(r) == abs(b) ? 0.0 * a : r;
}

float vc_mod(float a, float b) {
  float r = vc_fmod(a, b);
  return r != 0.0 && (r < 0.0) != (b < 0.0) ? r + b : r;
}

// log(1 + x) without loss near 0: the factor undoes the rounding of 1 + x.
float vc_log1p(float x) {
  float u = 1.0 + x;
  return u == 1.0 ? x : isinf(u) ? u : log(u) * (x / (u - 1.0));
}

// Its series where that converges fast; tan(pi/8) = 0.41421356.
float vc_atan_series(float x) {
  float s = x * x;
  float sum = 0.0;
  for (int n = 19; n >= 1; n -= 2) sum = 1.0 / float(n) - s * sum;
  return x * sum;
}

float vc_atan(float x) {
  float a = abs(x);
  float y = a > 2.41421356    ? 1.57079632679 - vc_atan_series(1.0 / a)
            : a > 0.41421356 ? 0.78539816340 + vc_atan_series((a - 1.0) / (a + 1.0))
                             : vc_atan_series(a);
  return isnan(x) ? x : x < 0.0 ? -y : y;
}

float vc_not_a_number() { return uintBitsToFloat(0x7fc00000u); }

float vc_asin(float x) {
  if (!(abs(x) <= 1.0)) return vc_not_a_number();
  return abs(x) == 1.0 ? 1.57079632679 * x : vc_atan(x / sqrt((1.0 - x) * (1.0 + x)));
}

float vc_acos(float x) {
  if (!(abs(x) <= 1.0)) return vc_not_a_number();
  return x == -1.0 ? 3.14159265359 : 2.0 * vc_atan(sqrt((1.0 - x) / (1.0 + x)));
}

float vc_asinh(float x) {
  float a = abs(x);
  float y = a > 1e9 ? log(a) + 0.69314718056 : vc_log1p(a + a * a / (1.0 + sqrt(a * a + 1.0)));
  return x < 0.0 ? -y : y;
}

float vc_acosh(float x) {
  if (!(x >= 1.0)) return vc_not_a_number();
  float t = x - 1.0;
  return x > 1e9 ? log(x) + 0.69314718056 : vc_log1p(t + sqrt(t * (2.0 + t)));
}

float vc_atanh(float x) {
  float a = abs(x);
  if (!(a <= 1.0)) return vc_not_a_number();
  float y = a == 1.0 ? 1.0 / (1.0 - a) : 0.5 * vc_log1p(2.0 * a / (1.0 - a));
  return x < 0.0 ? -y : y;
}

// Halves of the exponent keep what is finite finite.
float vc_cosh(float x) {
  float e = exp(0.5 * abs(x));
  return 0.5 * e * e + 0.5 / (e * e);
}

float vc_sinh(float x) {
  float a = abs(x);
  float s = a * a;
  float e = exp(0.5 * a);
  float y = a < 0.5 ? a * (1.0 + s / 6.0 * (1.0 + s / 20.0 * (1.0 + s / 42.0))) : 0.5 * e * e - 0.5 / (e * e);
  return x < 0.0 ? -y : y;
}

float vc_tan(float x) { return sin(x) / cos(x); }

float vc_activation(uint act, float x) {
  switch (act) {
    case kActGelu:
      return vc_gelu(x);
    case kActGeluTanh:
      return vc_gelu_tanh(x);
    case kActRelu:
      return vc_max(x, 0.0);
    case kActQuickGelu:
      return x / (1.0 + exp(-1.702 * x));
    case kActSilu:
      return x / (1.0 + exp(-x));
    case kActTanh:
      return vc_tanh(x);
    case kActSigmoid:
      return 1.0 / (1.0 + exp(-x));
    default:
      return x;
  }
}
