#include "loader/lora/adapter.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "loader/lora/lora_config.h"
#include "loader/lora/safetensors.h"
#include "runtime/core/error.h"

namespace vulcap::lora {
namespace {

using core::Tensor;

[[noreturn]] void fail(const std::string& what) { throw core::Error(core::ErrorCode::kInvalidModel, what); }

// A and B of one module, as the file holds them.
struct Factors {
  std::optional<Tensor> a, b, b_bias;
  bool embedding = false;
};

// [rows, columns] of a factor; a convolution's kernel counts with the columns.
std::pair<int64_t, int64_t> matrix_shape(const std::string& name, const Tensor& tensor) {
  if (!core::dtype_is_float(tensor.dtype()))
    fail("'" + name + "' is " + std::string(core::dtype_name(tensor.dtype())) + "; a float type is expected");
  if (tensor.shape().size() < 2 || tensor.size() == 0)
    fail("'" + name + "' has shape " + core::shape_text(tensor.shape()) + "; a matrix is expected");
  return {tensor.shape()[0], int64_t(tensor.size()) / tensor.shape()[0]};
}

std::vector<double> numbers_of(const std::string& name, const Tensor& tensor, bool transposed) {
  const auto [rows, columns] =
      transposed ? matrix_shape(name, tensor) : std::pair<int64_t, int64_t>(1, int64_t(tensor.size()));
  std::vector<double> numbers(tensor.size());
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      const double value = tensor.at_f64(size_t(row * columns + column));
      if (!std::isfinite(value)) fail("'" + name + "' holds a number that is not finite");
      numbers[size_t(transposed ? column * rows + row : row * columns + column)] = value;
    }
  }
  return numbers;
}

// Removes `part` where the name holds it.
void cut(std::string& name, std::string_view part) {
  const size_t at = name.find(part);
  if (at != std::string::npos) name.erase(at, part.size());
}

}  // namespace

class Adapter::Reader {
 public:
  Reader(const std::filesystem::path& folder, Adapter& adapter)
      : config_(LoraConfig::read(folder / "adapter_config.json")), adapter_(adapter) {}

  void read(const std::map<std::string, Tensor>& tensors) {
    for (const auto& [name, tensor] : tensors) sort_in(name, tensor);
    for (const auto& [module, factors] : factors_) adapter_.low_rank_[module] = low_rank(module, factors);
    if (adapter_.low_rank_.empty() && adapter_.saved_.empty()) fail("holds no tensors");
  }

 private:
  void sort_in(const std::string& full_name, const Tensor& tensor) {
    constexpr std::string_view kPrefix = "base_model.model.";
    std::string name = full_name.starts_with(kPrefix) ? full_name.substr(kPrefix.size()) : full_name;
    const size_t mark = name.find(".lora_");
    if (mark == std::string::npos) return add_saved(full_name, name, tensor);
    std::string part = name.substr(mark + 1);
    // Older files name the adapter in between: "lora_A.default.weight".
    cut(part, ".default");
    Factors& factors = factors_[name.substr(0, mark)];
    if (part == "lora_A.weight") return put(factors.a, full_name, tensor);
    if (part == "lora_B.weight") return put(factors.b, full_name, tensor);
    if (part == "lora_B.bias") return put(factors.b_bias, full_name, tensor);
    factors.embedding = true;
    if (part == "lora_embedding_A") return put(factors.a, full_name, tensor);
    if (part == "lora_embedding_B") return put(factors.b, full_name, tensor);
    if (part.starts_with("lora_magnitude_vector"))
      fail("'" + full_name + "' belongs to DoRA, which cannot be merged");
    fail("'" + full_name + "' is not a tensor of a LoRA adapter that can be merged");
  }

  static void put(std::optional<Tensor>& slot, const std::string& name, const Tensor& tensor) {
    if (slot) fail("'" + name + "' is there twice");
    slot = tensor;
  }

  void add_saved(const std::string& full_name, std::string name, const Tensor& tensor) {
    for (const std::string_view wrapper : {".base_layer", ".modules_to_save", ".default"}) cut(name, wrapper);
    const size_t dot = name.rfind('.');
    const std::string kind = dot == std::string::npos ? "" : name.substr(dot + 1);
    if ((kind != "weight" && kind != "bias") || !core::dtype_is_float(tensor.dtype()))
      fail("'" + full_name + "' is not a weight or bias that could be replaced");
    adapter_.saved_.push_back({name.substr(0, dot), kind, tensor});
  }

  LowRank low_rank(const std::string& module, const Factors& factors) const {
    if (!factors.a || !factors.b) fail("module '" + module + "' has one of lora_A and lora_B only");
    if (!config_.targets(module)) {
      fail("module '" + module +
           "' is not chosen by target_modules and layers_to_transform of adapter_config.json, so PEFT would "
           "leave its tensors out");
    }
    const auto [a_rows, a_columns] = matrix_shape(module + ".lora_A", *factors.a);
    const auto [b_rows, b_columns] = matrix_shape(module + ".lora_B", *factors.b);
    if (a_rows != config_.rank(module) || b_columns != a_rows) {
      fail("module '" + module + "': lora_A " + core::shape_text(factors.a->shape()) + " and lora_B " +
           core::shape_text(factors.b->shape()) + " do not fit r = " + std::to_string(config_.rank(module)));
    }
    LowRank sum{factors.embedding, config_.scale(module), b_rows, a_rows, a_columns, {}, {}, {}};
    if (factors.embedding) {  // [tokens, width] = A^T B^T
      std::swap(sum.rows, sum.columns);
      sum.left = numbers_of(module + ".lora_embedding_A", *factors.a, true);
      sum.right = numbers_of(module + ".lora_embedding_B", *factors.b, true);
    } else {
      sum.left = numbers_of(module + ".lora_B", *factors.b, false);
      sum.right = numbers_of(module + ".lora_A", *factors.a, false);
    }
    if (factors.b_bias) sum.bias = numbers_of(module + ".lora_B.bias", *factors.b_bias, false);
    for (double& value : sum.bias) value *= sum.scale;
    return sum;
  }

  LoraConfig config_;
  Adapter& adapter_;
  std::map<std::string, Factors> factors_;
};

Adapter Adapter::load(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder))
    fail(folder.string() + ": not a folder; a PEFT adapter is a folder with adapter_config.json");
  Adapter adapter;
  adapter.folder_ = folder;
  Reader reader(folder, adapter);
  const std::filesystem::path weights = folder / "adapter_model.safetensors";
  if (!std::filesystem::exists(weights) && std::filesystem::exists(folder / "adapter_model.bin")) {
    fail((folder / "adapter_model.bin").string() +
         ": is a pickle, which is not read; save the adapter with safe_serialization=True");
  }
  const auto tensors = read_safetensors(weights);
  try {
    reader.read(tensors);
  } catch (core::Error& error) {
    error.add_context(weights.string());
    throw;
  }
  return adapter;
}

std::set<std::string> Adapter::modules() const {
  std::set<std::string> names;
  for (const auto& [module, sum] : low_rank_) names.insert(module);
  for (const Saved& saved : saved_) names.insert(saved.module);
  return names;
}

}  // namespace vulcap::lora
