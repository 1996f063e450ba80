// The functions that floating rows of elementwise.def call.
#if defined(S_f64)
#include "shaders/lib/double.glsl"
#else
#include "shaders/lib/math.glsl"
#define REAL float
#define REAL_PI 3.14159265358979323846
#define REAL_LN2 0.69314718055994530942
#define REAL_NAN uintBitsToFloat(0x7fc00000u)
#define ATAN_TERM 19
#include "shaders/lib/functions.glsl"
#endif
