// One workgroup a row, and reductions over its lanes. When the workgroup is one subgroup no barrier is
// needed.
#extension GL_KHR_shader_subgroup_arithmetic : require

layout(local_size_x_id = 10) in;
layout(constant_id = 9) const bool kOneSubgroup = true;
shared float vc_partial[128];

uint flat_group() { return gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x; }

#define VC_WORKGROUP_REDUCE(name, subgroup_op, combine, start)                          \
  float name(float x) {                                                                 \
    x = subgroup_op(x);                                                                 \
    if (kOneSubgroup) return x;                                                         \
    if (gl_SubgroupInvocationID == 0) vc_partial[gl_SubgroupID] = x;                    \
    barrier();                                                                          \
    float result = start;                                                               \
    for (uint i = 0; i < gl_NumSubgroups; ++i) result = combine(result, vc_partial[i]); \
    barrier();                                                                          \
    return result;                                                                      \
  }
float vc_plus(float a, float b) { return a + b; }
float vc_times(float a, float b) { return a * b; }
VC_WORKGROUP_REDUCE(workgroup_add, subgroupAdd, vc_plus, 0.0)
VC_WORKGROUP_REDUCE(workgroup_max, subgroupMax, max, -VC_INFINITY)
VC_WORKGROUP_REDUCE(workgroup_min, subgroupMin, min, VC_INFINITY)
VC_WORKGROUP_REDUCE(workgroup_mul, subgroupMul, vc_times, 1.0)
