// Where windows read, for the kernels whose parameters `p` describe one (im2col, conv, pool).
uint volume(uint shape[3]) { return shape[0] * shape[1] * shape[2]; }

ivec3 split_index(uint shape[3], uint i) {
  uint line = i / shape[2];
  return ivec3(line / shape[1], line % shape[1], i - line * shape[2]);
}

// Place of the window's first tap for an output position; it may lie in the padding.
ivec3 window_start(uint position) {
  return split_index(p.out_shape, position) * ivec3(p.stride[0], p.stride[1], p.stride[2]) -
         ivec3(p.pad[0], p.pad[1], p.pad[2]);
}

ivec3 window_dilation() { return ivec3(p.dilation[0], p.dilation[1], p.dilation[2]); }

ivec3 image_size() { return ivec3(p.in_shape[0], p.in_shape[1], p.in_shape[2]); }

bool in_image(ivec3 at) { return all(greaterThanEqual(at, ivec3(0))) && all(lessThan(at, image_size())); }

uint pixel_index(ivec3 at) { return (uint(at.x) * p.in_shape[1] + uint(at.y)) * p.in_shape[2] + uint(at.z); }
