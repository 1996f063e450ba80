// Casts of a number of type ARITH to every type that shaders store in whole bytes, but double.
// Destinations; the values are those of the executor's table of casts.
const uint kToF32 = 0, kToF16 = 1, kToI32 = 2, kToI64 = 3, kToBool = 4, kToU8 = 5, kToI8 = 6, kToI16 = 7,
           kToU16 = 8, kToU32 = 9, kToU64 = 10, kToBF16 = 11;
layout(constant_id = 0) const uint kTo = kToF32;
BUFFER(1, float, as_f32);
BUFFER(1, float16_t, as_f16);
BUFFER(1, int, as_i32);
BUFFER(1, uint, as_u32);
BUFFER(1, int64_t, as_i64);
BUFFER(1, uint64_t, as_u64);
BUFFER(1, uint8_t, as_u8);
BUFFER(1, int8_t, as_i8);
BUFFER(1, uint16_t, as_u16);
BUFFER(1, int16_t, as_i16);

#if defined(INTEGER_ARITH)
int to_i32(ARITH x, int low, int high) { return int(x); }
uint to_u32(ARITH x, uint high) { return uint(x); }
int64_t to_i64(ARITH x) { return int64_t(x); }
uint64_t to_u64(ARITH x) { return uint64_t(x); }
#else
// Truncation towards zero, the nearest end for what is out of range, 0 for NaN.
int to_i32(ARITH x, int low, int high) {
  if (!(x == x)) return 0;
  return x >= ARITH(high) ? high : x <= ARITH(low) ? low : int(x);
}
uint to_u32(ARITH x, uint high) { return !(x > ARITH(0)) ? 0u : x >= ARITH(high) ? high : uint(x); }
int64_t to_i64(ARITH x) {
  if (!(x == x)) return 0l;
  return x >= ARITH(9223372036854775808.0)    ? 9223372036854775807l
         : x <= ARITH(-9223372036854775808.0) ? -9223372036854775807l - 1l
                                              : int64_t(x);
}
uint64_t to_u64(ARITH x) {
  if (!(x > ARITH(0))) return 0ul;
  return x >= ARITH(18446744073709551616.0) ? ~0ul : uint64_t(x);
}
#endif

void store(uint i, ARITH x) {
  switch (kTo) {
    case kToF32:
      as_f32.data[i] = float(x);
      break;
    case kToF16:
      as_f16.data[i] = float16_t(float(x));
      break;
    case kToBF16:
      as_u16.data[i] = uint16_t(vc_bfloat16(float(x)));
      break;
    case kToI8:
      as_i8.data[i] = int8_t(to_i32(x, -128, 127));
      break;
    case kToI16:
      as_i16.data[i] = int16_t(to_i32(x, -32768, 32767));
      break;
    case kToI32:
      as_i32.data[i] = to_i32(x, -2147483647 - 1, 2147483647);
      break;
    case kToI64:
      as_i64.data[i] = to_i64(x);
      break;
    case kToBool:
      as_u8.data[i] = uint8_t(x != ARITH(0) ? 1u : 0u);
      break;
    case kToU8:
      as_u8.data[i] = uint8_t(to_u32(x, 255u));
      break;
    case kToU16:
      as_u16.data[i] = uint16_t(to_u32(x, 65535u));
      break;
    case kToU32:
      as_u32.data[i] = to_u32(x, ~0u);
      break;
    case kToU64:
      as_u64.data[i] = to_u64(x);
      break;
  }
}
