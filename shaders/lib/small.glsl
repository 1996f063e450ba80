// Formats of less than 16 bits that only casts know: floats of 8 and 4 bits, and integers packed to 4 or 2 bits. The values
// of kFormat are those of the executor's table.
const uint kF8E4M3FN = 0, kF8E4M3FNUZ = 1, kF8E5M2 = 2, kF8E5M2FNUZ = 3, kF4E2M1 = 4, kF8E8M0 = 5, kU4 = 6,
           kI4 = 7, kU2 = 8, kI2 = 9;
layout(constant_id = 1) const uint kFormat = kF8E4M3FN;

const bool kPackedInteger = kFormat >= kU4;
const uint kBits = kFormat >= kU2 ? 2u : kFormat == kF4E2M1 || kPackedInteger ? 4u : 8u;
const uint kPerByte = 8u / kBits;
const uint kMask = (1u << kBits) - 1u;
const bool kSignedInteger = kFormat == kI4 || kFormat == kI2;

const bool kUnsignedZero = kFormat == kF8E4M3FNUZ || kFormat == kF8E5M2FNUZ;  // the bits of -0 are NaN
const int kMantissa = kFormat == kF4E2M1 ? 1 : kFormat == kF8E5M2 || kFormat == kF8E5M2FNUZ ? 2 : 3;
const int kBias = kFormat == kF4E2M1 ? 1 : (kMantissa == 2 ? 15 : 7) + (kUnsignedZero ? 1 : 0);
const uint kSign = 1u << (kBits - 1u);
const uint kLargest = kFormat == kF8E5M2 ? 0x7bu : kFormat == kF8E4M3FN ? 0x7eu : kSign - 1u;
const uint kNan = kUnsignedZero ? kSign : kFormat == kF8E5M2 ? 0x7eu : 0x7fu;
