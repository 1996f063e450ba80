#include "loader/embeddings/dense.h"

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "loader/lora/safetensors.h"
#include "loader/read_json.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

constexpr std::array kActivations = {
    std::pair<std::string_view, Activation>("torch.nn.modules.linear.Identity", Activation::kIdentity),
    std::pair<std::string_view, Activation>("torch.nn.modules.activation.Tanh", Activation::kTanh),
    std::pair<std::string_view, Activation>("torch.nn.modules.activation.ReLU", Activation::kRelu),
    std::pair<std::string_view, Activation>("torch.nn.modules.activation.Sigmoid", Activation::kSigmoid),
    std::pair<std::string_view, Activation>("torch.nn.modules.activation.GELU", Activation::kGelu),
};

[[noreturn]] void fail(const std::string& what) { throw core::Error(core::ErrorCode::kInvalidModel, what); }

Activation read_activation(const nlohmann::json& config, const std::string& file) {
  const auto found = config.find("activation_function");
  if (found == config.end()) return Activation::kTanh;
  for (const auto& [name, activation] : kActivations) {
    if (*found == name) return activation;
  }
  fail(file + ": \"activation_function\": " + found->dump() +
       " is not known; use Identity, Tanh, ReLU, Sigmoid or GELU of torch.nn");
}

double activate(Activation activation, double x) {
  switch (activation) {
    case Activation::kTanh:
      return std::tanh(x);
    case Activation::kRelu:
      return std::max(x, 0.0);
    case Activation::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::kGelu:
      return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
    default:
      return x;
  }
}

std::vector<float> numbers(const core::Tensor& tensor) {
  std::vector<float> values(tensor.size());
  for (size_t i = 0; i < values.size(); ++i) values[i] = float(tensor.at_f64(i));
  return values;
}

}  // namespace

Dense load_dense(const std::filesystem::path& folder) {
  const std::string file = (folder / "config.json").string();
  Dense dense;
  dense.activation = read_activation(read_json_object(folder / "config.json"), file);
  const auto weights_file = folder / "model.safetensors";
  if (!std::filesystem::exists(weights_file)) {
    fail(weights_file.string() + ": missing; save the Dense module in the safetensors format");
  }
  const auto weights = lora::read_safetensors(weights_file);
  const auto weight = weights.find("linear.weight");
  if (weight == weights.end() || weight->second.shape().size() != 2) {
    fail(weights_file.string() + ": holds no matrix linear.weight");
  }
  dense.out = size_t(weight->second.shape()[0]);
  dense.in = size_t(weight->second.shape()[1]);
  dense.weight = numbers(weight->second);
  const auto bias = weights.find("linear.bias");
  if (bias == weights.end()) return dense;
  if (bias->second.size() != dense.out) {
    fail(weights_file.string() + ": linear.bias has " + std::to_string(bias->second.size()) +
         " numbers but linear.weight has " + std::to_string(dense.out) + " rows");
  }
  dense.bias = numbers(bias->second);
  return dense;
}

std::vector<float> apply_dense(const Dense& dense, std::span<const float> input) {
  if (input.size() != dense.in) {
    fail("the dense module takes vectors of width " + std::to_string(dense.in) + ", not " +
         std::to_string(input.size()));
  }
  std::vector<float> result(dense.out);
  for (size_t o = 0; o < dense.out; ++o) {
    double sum = dense.bias.empty() ? 0 : double(dense.bias[o]);
    for (size_t i = 0; i < dense.in; ++i) sum += double(dense.weight[o * dense.in + i]) * double(input[i]);
    result[o] = float(activate(dense.activation, sum));
  }
  return result;
}

}  // namespace vulcap::loader
