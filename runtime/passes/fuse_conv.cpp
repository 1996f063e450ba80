// What stands behind a convolution goes into it: a batch normalisation with constant parameters scales the
// weights, an activation joins the epilogue.
#include "runtime/passes/fold_batch_norm.h"
#include "runtime/passes/pass.h"
#include "runtime/passes/rewrite.h"

namespace vulcap::passes {
namespace {

// The name of an activation that products and convolutions have in their epilogue; empty for others.
std::string epilogue(const Node& node) {
  if (node.is("Relu") || node.is("Tanh") || node.is("Sigmoid")) return node.op;
  if (node.is("Gelu") && node.attributes.text("approximate", "none") == "none") return "Gelu";
  const bool swish = node.is("QuickGelu", "com.microsoft") && node.attributes.real("alpha", 1.702f) == 1.0f;
  return swish ? "Silu" : "";
}

std::optional<Patch> join_activation(Matcher& m, const Node& activation) {
  const std::string name = epilogue(activation);
  if (name.empty()) return std::nullopt;
  const Node* conv = m.producer(activation.inputs[0], "Conv");
  if (conv == nullptr || !m.single_use(activation.inputs[0])) return std::nullopt;
  graph::Attributes attributes = conv->attributes;
  attributes.set("activation", name);
  return replace_with(activation.outputs[0],
                      m.make("FusedConv", "com.microsoft", conv->name, conv->inputs, std::move(attributes)));
}

}  // namespace

int fuse_conv(Graph& graph) { return fold_batch_norm(graph) + apply_rules(graph, {join_activation}); }

}  // namespace vulcap::passes
