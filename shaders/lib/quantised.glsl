// Numbers of few bits in a buffer, and scales of f32 or f16.
#extension GL_EXT_shader_8bit_storage : require
#extension GL_EXT_shader_16bit_storage : require

// Bit `index * bits` of a byte buffer on, `bits` 2, 4 or 8; the first number in the lowest bits of its byte.
#define PACKED_NUMBER(bytes, bits, index) \
  (bits == 8u ? uint(bytes.data[index])   \
              : (uint(bytes.data[(index) * bits >> 3u]) >> (((index) * bits) & 7u)) & ((1u << bits) - 1u))

// Two's complement of `bits` bits.
int vc_signed(uint raw, uint bits) { return int(raw << (32u - bits)) >> (32u - bits); }
