// Nodes that a quantisation leaves alone, by what their user calls them.
#pragma once

#include <string>
#include <vector>

#include "loader/onnx/editable_model.h"

namespace vulcap::quantization {

class Exclusion {
 public:
  // Options::exclude.
  explicit Exclusion(const std::vector<std::string>& patterns);

  bool matches(const ::onnx::NodeProto& node, const std::string& weight) const;
  // Patterns that have matched nothing so far.
  std::vector<std::string> unmatched() const;

 private:
  struct Pattern {
    std::string text;
    mutable bool used = false;
  };
  std::vector<Pattern> patterns_;
};

}  // namespace vulcap::quantization
