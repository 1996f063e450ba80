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

// Vulkan promises sin and cos on [-pi, pi] alone. 2 pi in three parts, so that products with up to 13 bits of
// turns are exact.
float vc_one_turn(float x) {
  precise float turns = roundEven(x * 0.15915494309189535);
  precise float rest = fma(-turns, 6.28125, x);
  rest = fma(-turns, 0.00193500518798828125, rest);
  return fma(-turns, 3.0199159819e-7, rest);
}
float vc_sin(float x) { return sin(vc_one_turn(x)); }
float vc_cos(float x) { return cos(vc_one_turn(x)); }

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
