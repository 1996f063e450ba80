// Storage type STORE (what lies in a buffer) and arithmetic type ARITH (what is computed with) of axis S, with LOAD and
// SAVE between them, or the element type ELEMENT of axis E (b1, b2, b4, b8: its bytes). Include first: it also switches
// on the extensions the types need.
#extension GL_EXT_control_flow_attributes : require
#if defined(S_f16) || defined(S_bf16) || defined(S_i16) || defined(S_u16) || defined(W_f16) || defined(E_b2) || \
    defined(ANY_STORAGE)
#extension GL_EXT_shader_16bit_storage : require
#endif
#if defined(S_u8) || defined(S_i8) || defined(E_b1) || defined(BOOL_STORAGE) || defined(ANY_STORAGE)
#extension GL_EXT_shader_8bit_storage : require
#endif
#if defined(S_i64) || defined(S_u64) || defined(ANY_STORAGE)
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#endif

#if defined(S_f32)
#define STORE float
#define ARITH float
#define VEC4 vec4
#elif defined(S_f16)
#define STORE float16_t
#define ARITH float
#define VEC4 f16vec4
#elif defined(S_bf16)
#define STORE uint16_t
#define ARITH float
#define LOAD(bits) uintBitsToFloat(uint(bits) << 16)
#define SAVE(x) uint16_t(vc_bfloat16(x))
#elif defined(S_f64)
#define STORE double
#define ARITH double
#elif defined(S_i32)
#define STORE int
#define ARITH int
#elif defined(S_u32)
#define STORE uint
#define ARITH uint
#elif defined(S_i64)
#define STORE int64_t
#define ARITH int64_t
#elif defined(S_u64)
#define STORE uint64_t
#define ARITH uint64_t
#elif defined(S_u8)
#define STORE uint8_t
#define ARITH uint
#elif defined(S_i8)
#define STORE int8_t
#define ARITH int
#elif defined(S_u16)
#define STORE uint16_t
#define ARITH uint
#elif defined(S_i16)
#define STORE int16_t
#define ARITH int
#endif
#ifndef LOAD
#define LOAD(x) ARITH(x)
#define SAVE(x) STORE(x)
#endif
#if defined(S_f64) || defined(S_i64) || defined(S_u64)
#define ARITH_BYTES 8
#else
#define ARITH_BYTES 4
#endif

#if defined(S_i8) || defined(S_i16) || defined(S_i32) || defined(S_i64)
#define SIGNED_ARITH
#define INTEGER_ARITH
#elif defined(S_u8) || defined(S_u16) || defined(S_u32) || defined(S_u64)
#define INTEGER_ARITH
#endif

// The upper half of a float, rounded to nearest even.
uint vc_bfloat16(float x) {
  uint bits = floatBitsToUint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return (bits >> 16) | 0x40u;
  return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}

#if defined(E_b1)
#define ELEMENT uint8_t
#elif defined(E_b2)
#define ELEMENT uint16_t
#elif defined(E_b4)
#define ELEMENT uint
#elif defined(E_b8)
#define ELEMENT uvec2
#endif

#define BUFFER(index, type, name)                                                \
  layout(set = 0, binding = index, std430) buffer Buffer_##name { type data[]; } \
  name
#define READONLY(index, type, name)                                                       \
  layout(set = 0, binding = index, std430) readonly buffer Buffer_##name { type data[]; } \
  name
#define VC_INFINITY uintBitsToFloat(0x7f800000u)
