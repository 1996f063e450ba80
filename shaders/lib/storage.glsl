// Storage type STORE (what lies in a buffer) and arithmetic type ARITH (what is computed with) of axis S, or
// the element type ELEMENT of axis E (b1, b2, b4, b8: its bytes). Include first: it also switches on the
// extensions the types need.
#extension GL_EXT_control_flow_attributes : require
#if defined(S_f16) || defined(W_f16) || defined(E_b2) || defined(ANY_STORAGE)
#extension GL_EXT_shader_16bit_storage : require
#endif
#if defined(S_u8) || defined(E_b1) || defined(BOOL_STORAGE) || defined(ANY_STORAGE)
#extension GL_EXT_shader_8bit_storage : require
#endif
#if defined(S_i64) || defined(ANY_STORAGE)
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
#elif defined(S_i32)
#define STORE int
#define ARITH int
#elif defined(S_i64)
#define STORE int64_t
#define ARITH int64_t
#elif defined(S_u8)
#define STORE uint8_t
#define ARITH uint
#endif

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
