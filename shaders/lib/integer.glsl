// Integer operators of elementwise.def. Division by zero gives 0, as in the scalar reference; the remainder of a negative
// number is left undefined by GLSL.
#if defined(SIGNED_ARITH)
bool vc_negative(ARITH x) { return x < ARITH(0); }
#else
bool vc_negative(ARITH x) { return false; }
#endif
const ARITH kMinusOne = ARITH(0) - ARITH(1);

ARITH vc_iabs(ARITH x) { return vc_negative(x) ? ARITH(0) - x : x; }
ARITH vc_irelu(ARITH x) { return vc_negative(x) ? ARITH(0) : x; }
ARITH vc_isign(ARITH x) { return vc_negative(x) ? kMinusOne : x == ARITH(0) ? x : ARITH(1); }
ARITH vc_iprelu(ARITH a, ARITH b) { return vc_negative(a) ? a * b : a; }

ARITH vc_idiv(ARITH a, ARITH b) {
  if (b == ARITH(0)) return b;
  return vc_negative(b) && b == kMinusOne ? ARITH(0) - a : a / b;
}
ARITH vc_ifmod(ARITH a, ARITH b) { return b == ARITH(0) ? b : a - b * vc_idiv(a, b); }
ARITH vc_imod(ARITH a, ARITH b) {
  ARITH r = vc_ifmod(a, b);
  return r != ARITH(0) && vc_negative(r) != vc_negative(b) ? r + b : r;
}

const uint kArithBits = 8u * uint(ARITH_BYTES);
ARITH vc_shift_left(ARITH a, ARITH b) {
  return vc_negative(b) || b >= ARITH(kArithBits) ? ARITH(0) : a << uint(b);
}
ARITH vc_shift_right(ARITH a, ARITH b) {
  return vc_negative(b) || b >= ARITH(kArithBits) ? ARITH(0) : a >> uint(b);
}

ARITH vc_ipow(ARITH a, ARITH b) {
  if (vc_negative(b)) {
    if (a == kMinusOne) return (b & ARITH(1)) == ARITH(0) ? ARITH(1) : a;
    return a == ARITH(1) ? a : ARITH(0);
  }
  ARITH result = ARITH(1);
  for (ARITH left = b; left > ARITH(0); left >>= 1) {
    if ((left & ARITH(1)) != ARITH(0)) result *= a;
    a *= a;
  }
  return result;
}
