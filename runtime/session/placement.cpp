#include "runtime/session/placement.h"

namespace vulcap::session {
namespace {

std::string kernel_text(const ops::KernelCall& call) {
  std::string text = std::string(ops::kernels()[call.kernel].name) + "." +
                     std::string(core::dtype_name(call.variant.storage));
  if (call.variant.second != core::DType::kUndefined)
    text += "." + std::string(core::dtype_name(call.variant.second));
  return text;
}

std::string names_of(const plan::Plan& plan, bool plan::External::*side) {
  std::string text;
  for (const plan::External& slot : plan.externals) {
    if (slot.*side) text += (text.empty() ? "" : ", ") + slot.name;
  }
  return text;
}

}  // namespace

PlacedProgram placed(const plan::Plan& plan, std::string device) {
  PlacedProgram program;
  program.device = std::move(device);
  program.graph =
      names_of(plan, &plan::External::is_input) + " -> " + names_of(plan, &plan::External::is_output);
  for (size_t i = 0; i < plan.calls.size(); ++i) {
    const ops::KernelCall& call = plan.calls[i];
    PlacedCall entry;
    entry.kernel = kernel_text(call);
    if (call.node >= 0) entry.node = plan.graph.nodes[size_t(call.node)].name;
    entry.on_host = plan.on_host[i] != 0;
    entry.reason = plan.reasons[i];
    for (const ops::Binding& binding : call.bindings)
      entry.bytes_crossing += entry.on_host ? binding.size : 0;
    program.calls.push_back(std::move(entry));
  }
  return program;
}

}  // namespace vulcap::session
