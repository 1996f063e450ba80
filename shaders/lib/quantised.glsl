// Numbers of few bits in a buffer, and scales of f32 or f16.
#extension GL_EXT_shader_8bit_storage : require
#extension GL_EXT_shader_16bit_storage : require

// Bit `index * bits` of a byte buffer on, `bits` 2, 4 or 8; the first number in the lowest bits of its byte.
#define PACKED_NUMBER(bytes, bits, index) \
  (bits == 8u ? uint(bytes.data[index])   \
              : (uint(bytes.data[(index) * bits >> 3u]) >> (((index) * bits) & 7u)) & ((1u << bits) - 1u))

// Two's complement of `bits` bits.
int vc_signed(uint raw, uint bits) { return int(raw << (32u - bits)) >> (32u - bits); }

// Formats of numbers; the values are those of the executor's choice.
const uint kInteger = 0, kF8E4M3FN = 1, kF8E5M2 = 2, kF4E2M1 = 3;

struct SmallFloat {
  int mantissa, least;  // bits of the mantissa; exponent of the smallest normal number
  float largest;
  uint nan;
};

SmallFloat small_float(uint format) {
  if (format == kF8E4M3FN) return SmallFloat(3, -6, 448.0, 0x7fu);
  if (format == kF8E5M2) return SmallFloat(2, -14, 57344.0, 0x7eu);
  return SmallFloat(1, 0, 6.0, 0x8u);
}

float small_float_value(uint raw, uint format, uint bits) {
  SmallFloat f = small_float(format);
  uint magnitude = raw & ((1u << (bits - 1u)) - 1u);
  int exponent = int(magnitude >> f.mantissa), fraction = int(magnitude) & ((1 << f.mantissa) - 1);
  float unit = exp2(float(f.least - f.mantissa));
  float value = exponent == 0 ? float(fraction) * unit
                              : float(fraction + (1 << f.mantissa)) * unit * exp2(float(exponent - 1));
  if (format == kF8E4M3FN && magnitude == 0x7fu) value = uintBitsToFloat(0x7fc00000u);
  if (format == kF8E5M2 && exponent == 31) value = uintBitsToFloat(fraction == 0 ? 0x7f800000u : 0x7fc00000u);
  return (raw >> (bits - 1u)) != 0u ? -value : value;
}

// Rounded to even once; what is out of range becomes the largest number.
uint small_float_bits(float x, uint format, uint bits) {
  SmallFloat f = small_float(format);
  if (isnan(x)) return f.nan;
  float a = min(abs(x), f.largest);
  int exponent = max(int(floatBitsToUint(a) >> 23) - 127, f.least);
  uint whole = uint(roundEven(a * exp2(float(f.mantissa - exponent))));  // with its leading one
  // Rounding up to the next power of two carries into the exponent by itself.
  uint magnitude = whole + (uint(exponent - f.least) << f.mantissa);
  return magnitude | (x < 0.0 ? 1u << (bits - 1u) : 0u);
}
