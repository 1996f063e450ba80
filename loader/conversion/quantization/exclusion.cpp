#include "loader/conversion/quantization/exclusion.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>

#include "loader/onnx/node_module.h"

namespace vulcap::quantization {

Exclusion::Exclusion(const std::vector<std::string>& patterns) {
  for (const std::string& text : patterns) patterns_.push_back({text});
}

bool Exclusion::matches(const ::onnx::NodeProto& node, const std::string& weight) const {
  const std::array<std::string, 4> names = {node.name(), weight, node.op_type(),
                                            onnx::module_of_name(node.name())};
  bool found = false;
  for (const Pattern& pattern : patterns_) {
    const bool matches = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      return name == pattern.text || fnmatch(pattern.text.c_str(), name.c_str(), 0) == 0;
    });
    pattern.used |= matches;
    found |= matches;
  }
  return found;
}

std::vector<std::string> Exclusion::unmatched() const {
  std::vector<std::string> texts;
  for (const Pattern& pattern : patterns_)
    if (!pattern.used) texts.push_back(pattern.text);
  return texts;
}

}  // namespace vulcap::quantization
