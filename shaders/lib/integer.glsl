// Integer operators of elementwise.def. Division by zero gives 0, as in the scalar reference.
ARITH vc_idiv(ARITH a, ARITH b) { return b == 0 ? ARITH(0) : a / b; }

ARITH vc_ipow(ARITH a, ARITH b) {
  if (b < 0) return a == 1 ? ARITH(1) : a == -1 ? ((b & 1) == 0 ? ARITH(1) : ARITH(-1)) : ARITH(0);
  ARITH result = 1;
  for (ARITH left = b; left > 0; left >>= 1) {
    if ((left & 1) != 0) result *= a;
    a *= a;
  }
  return result;
}
