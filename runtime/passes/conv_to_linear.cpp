// A patch embedding, Conv -> reshape to [batch, channels, positions] -> transpose to [batch, positions,
// channels], is a matrix product of patches and weights that needs no transpose.
#include "runtime/passes/pass.h"
#include "runtime/passes/rewrite.h"

namespace vulcap::passes {
namespace {

std::optional<Patch> patch_embedding(Matcher& m, const Node& conv) {
  if (!conv.is("Conv") || conv.attributes.integer("group", 1) != 1) return std::nullopt;
  const auto& weight = m.value(conv.inputs[1]);
  if (!weight.constant || m.shape(conv.inputs[1]).size() != 4) return std::nullopt;
  const Node* view = m.only_reader(conv.outputs[0]);
  if (view == nullptr || !view->is("View", "vulcap")) return std::nullopt;
  const core::SymShape image = m.shape(conv.outputs[0]);
  const core::SymShape flat = m.shape(view->outputs[0]);
  if (flat.size() != 3 || !(flat[0] == image[0]) || !(flat[1] == image[1])) return std::nullopt;
  const Node* transpose = m.only_reader(view->outputs[0]);
  if (transpose == nullptr || !transpose->is("Transpose")) return std::nullopt;
  if (transpose->attributes.integers("perm") != std::vector<int64_t>{0, 2, 1}) return std::nullopt;

  const core::Shape shape = weight.constant->shape();  // make() below moves values
  graph::Attributes window = conv.attributes;
  window.set("kernel_shape", std::vector<int64_t>{shape[2], shape[3]});
  Node patches = m.make("Patches", "vulcap", conv.name + "/patches", {conv.inputs[0]}, std::move(window));
  const core::Tensor matrix =
      m.value(conv.inputs[1]).constant->reshaped({shape[0], shape[1] * shape[2] * shape[3]});
  const ValueId rows = m.graph().add_constant(m.value(conv.inputs[1]).name, matrix);
  graph::Attributes attributes;
  attributes.set("transB", int64_t(1));
  Node linear =
      m.make("Linear", "vulcap", conv.name, {patches.outputs[0], rows, conv.input(2)}, std::move(attributes));
  const ValueId result = linear.outputs[0];
  const ValueId replaced = transpose->outputs[0];
  return Patch{{std::move(patches), std::move(linear)}, {{replaced, result}}};
}

}  // namespace

int conv_to_linear(Graph& graph) { return apply_rules(graph, {patch_embedding}); }

}  // namespace vulcap::passes
