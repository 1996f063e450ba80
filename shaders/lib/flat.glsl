// One invocation an item, numbered over x and then y: a dispatch may have at most 65535 groups an axis.
layout(local_size_x_id = 10) in;

uint flat_index() {
  return gl_GlobalInvocationID.y * (gl_NumWorkGroups.x * gl_WorkGroupSize.x) + gl_GlobalInvocationID.x;
}
