// What gather_nd and scatter_nd share; include behind storage.glsl, flat.glsl, axes.glsl and the bindings p,
// indices. 32-bit words of an index: of a 64-bit one the low word says all, since it is a place or a small
// negative.
layout(constant_id = 0) const uint kIndexWords = 2;

uint indexed_items() {
  uint n = 1;
  for (uint axis = 0; axis < kMaxRank; ++axis) n *= p.shape[axis];
  return n;
}

// The offset in x of what item i names, or -1 when an index is outside.
int indexed_offset(uint i) {
  uint offset = 0, first = 0;
#define VISIT(axis, index)            \
  offset += index * p.x_stride[axis]; \
  first += index * p.i_stride[axis];
  FOR_EACH_AXIS(i, p.shape, VISIT)
  for (uint d = 0; d < p.depth; ++d) {
    int place = indices.data[(first + d) * kIndexWords];
    if (place < 0) place += int(p.size[d]);
    if (place < 0 || place >= int(p.size[d])) return -1;
    offset += uint(place) * p.stride[d];
  }
  return int(offset);
}
