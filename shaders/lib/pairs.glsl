// Two neighbours of a float or half buffer in one load. A software renderer pays for each load of a lane
// whatever its width, up to 64 bits.
#if defined(S_f32)
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#define S_PAIR uint64_t
#define S_UNPACK(word) uintBitsToFloat(unpack32(word))
#define S_PACK(v) pack64(floatBitsToUint(v))
#else
#define S_PAIR uint
#define S_UNPACK(word) unpackHalf2x16(word)
#define S_PACK(v) packHalf2x16(v)
#endif
