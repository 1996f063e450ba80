// Adapter::merge_into.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>

#include "loader/lora/adapter.h"
#include "loader/lora/module_match.h"
#include "loader/lora/weight_index.h"
#include "runtime/core/error.h"
#include "runtime/core/half.h"
#include "runtime/core/thread_pool.h"

namespace vulcap::lora {
namespace {

using core::DType;
using core::Tensor;

[[noreturn]] void fail(const std::string& what) { throw core::Error(core::ErrorCode::kInvalidModel, what); }

void store(DType dtype, std::byte* bytes, size_t index, double value) {
  const auto put = [&](auto number) { std::memcpy(bytes + index * sizeof number, &number, sizeof number); };
  if (dtype == DType::kF32) return put(float(value));
  if (dtype == DType::kF16) return put(core::double_to_half(value));
  if (dtype == DType::kBF16) return put(core::double_to_bfloat16(value));
  put(value);
}

bool can_store(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF64;
}

// Rows of onnxruntime-genai's joined projection that are `module`'s: [query | key | value].
struct JoinedRows {
  const char* part;
  int from_end;  // in heads' widths of this part; -1: from the start
};
constexpr JoinedRows kJoined[] = {{"q_proj", -1}, {"k_proj", 2}, {"v_proj", 1}};

std::string text_of(int64_t rows, int64_t columns) { return core::shape_text({rows, columns}); }

}  // namespace

class Adapter::Merger {
 public:
  Merger(const Adapter& adapter, onnx::ModelDef& model, const std::string& stem)
      : adapter_(adapter), index_(model), stem_(stem) {}

  Merged run() {
    find_modules();
    for (const Saved& saved : adapter_.saved_) {
      if (merged_.modules.count(saved.module)) replace(saved);
    }
    // Which weights are tied is seen before any is changed.
    for (const auto& [module, sum] : adapter_.low_rank_) {
      if (merged_.modules.count(module)) targets_[module] = with_tied(targets(module, "weight", true));
    }
    for (const auto& [module, weights] : targets_) {
      for (const size_t weight : weights) add_to(weight, module, adapter_.low_rank_.at(module));
      add_bias(module, adapter_.low_rank_.at(module).bias);
    }
    for (const size_t weight : changed_) merged_.edits[index_[weight].place] = *index_[weight].tensor;
    return std::move(merged_);
  }

 private:
  void find_modules() {
    const std::set<std::string> wanted = adapter_.modules();
    merged_.modules = match_modules(wanted, index_.modules(), stem_);
    for (const std::string& module : wanted) {
      if (!merged_.modules.count(module)) find_joined(module);
      if (!merged_.modules.count(module)) merged_.unmatched.push_back(module);
    }
  }

  // A query, key or value projection that the graph holds as a part of "qkv_proj".
  void find_joined(const std::string& module) {
    for (const JoinedRows& rows : kJoined) {
      if (!module.ends_with(std::string(".") + rows.part)) continue;
      const std::string joined = module.substr(0, module.size() - std::strlen(rows.part)) + "qkv_proj";
      const auto match = match_modules({joined}, index_.modules(), stem_);
      if (match.empty()) continue;
      merged_.modules[module] = match.at(joined);
      joined_[module] = &rows;
    }
  }

  std::vector<size_t> targets(const std::string& module, const std::string& kind, bool may_be_tied) const {
    const std::string& name = merged_.modules.at(module);
    std::vector<size_t> found = index_.find(name, kind);
    if (found.empty()) {
      fail("module '" + name + "' of the model has no " + kind + " to merge '" + module + "' into");
    }
    for (const size_t weight : found) require_own(weight, name, may_be_tied);
    return found;
  }

  std::vector<size_t> with_tied(std::vector<size_t> weights) const {
    for (const size_t copy : index_.tied_copies(weights.at(0))) {
      if (std::find(weights.begin(), weights.end(), copy) == weights.end()) weights.push_back(copy);
    }
    return weights;
  }

  // The tensor of a weight, from now on not the file's.
  Tensor& changed(size_t weight) {
    Tensor& tensor = *index_[weight].tensor;
    if (!can_store(tensor.dtype())) {
      fail("weight '" + index_[weight].name + "' is " + std::string(core::dtype_name(tensor.dtype())) +
           "; merge into the fp32 or fp16 model");
    }
    if (!changed_.insert(weight).second) return tensor;
    Tensor copy(tensor.dtype(), tensor.shape());
    std::memcpy(copy.mutable_bytes().data(), tensor.bytes().data(), tensor.bytes().size());
    return tensor = std::move(copy);
  }

  // An exporter may store equal parameters of two modules once; one of them alone cannot be changed then.
  // Embedding and output layer may be tied on purpose.
  void require_own(size_t weight, const std::string& module, bool may_be_tied) const {
    bool table = false, linear = false;
    std::set<std::string> readers;
    for (const WeightReader& reader : index_[weight].readers) {
      table |= reader.layout == Layout::kTable;
      linear |= is_linear(reader.layout);
      if (reader.layout != Layout::kUnknown && !reader.module.empty()) readers.insert(reader.module);
    }
    if (table && linear && may_be_tied) return;
    for (const std::string& reader : readers) {
      if (same_module(reader, *readers.begin())) continue;
      fail("weight '" + index_[weight].name + "' of module '" + module + "' is shared by '" +
           *readers.begin() + "' and '" + reader +
           "', of which the adapter may change one only; export the model without merging equal weights");
    }
  }

  // Calls of one module again are numbered: "query_1".
  static bool same_module(const std::string& a, const std::string& b) {
    const auto base = [](const std::string& name) {
      const size_t mark = name.find_last_not_of("0123456789");
      return mark != std::string::npos && mark + 1 < name.size() && name[mark] == '_' ? name.substr(0, mark)
                                                                                      : name;
    };
    return base(a) == base(b);
  }

  Layout layout_of(size_t weight, bool embedding) const {
    Layout layout = Layout::kUnknown;
    std::string others;
    for (const WeightReader& reader : index_[weight].readers) {
      if (reader.layout == Layout::kQuantised) {
        fail("weight '" + index_[weight].name + "' is quantised (" + reader.op +
             "); merge into the fp32 or fp16 model and quantise the result");
      }
      const bool fits = embedding ? reader.layout == Layout::kTable : is_linear(reader.layout);
      if (!fits) others = " by " + reader.op;
      if (fits && layout != Layout::kUnknown && layout != reader.layout)
        fail("weight '" + index_[weight].name + "' is read as it is and transposed");
      if (fits) layout = reader.layout;
    }
    // A tied copy is a table beside a product; rows of both are tokens.
    if (layout == Layout::kUnknown && embedding) return layout_of(weight, false);
    if (layout == Layout::kUnknown && others == " by Gather") return Layout::kTable;
    if (layout == Layout::kUnknown)
      fail("weight '" + index_[weight].name + "' is not read by a matrix product" +
           (others.empty() ? "" : " but" + others));
    return layout;
  }

  void add_bias(const std::string& module, const std::vector<double>& bias) {
    if (bias.empty()) return;
    for (const size_t weight : targets(module, "bias", false)) {
      const auto [first, count] =
          rows_of(module, int64_t(bias.size()), int64_t(index_[weight].tensor->size()));
      add_numbers(weight, module, {1, count, count, first}, [&](int64_t, double* line) {
        for (size_t i = 0; i < bias.size(); ++i) line[i] += bias[i];
      });
    }
  }

  // First row and number of rows of the parameter that belong to the module.
  std::pair<int64_t, int64_t> rows_of(const std::string& module, int64_t own, int64_t all) const {
    const auto joined = joined_.find(module);
    const bool fits =
        joined == joined_.end() ? own == all : own * (1 + std::max(0, joined->second->from_end)) <= all;
    if (!fits) {
      fail("module '" + module + "' has " + std::to_string(own) + " outputs in the adapter but " +
           std::to_string(all) + " in the model; is it the right adapter?");
    }
    const bool from_start = joined == joined_.end() || joined->second->from_end < 0;
    return {from_start ? 0 : all - own * joined->second->from_end, own};
  }

  void add_to(size_t weight, const std::string& module, const LowRank& sum) {
    const Layout layout = layout_of(weight, sum.embedding);
    const Tensor& tensor = *index_[weight].tensor;
    const bool turned = layout == Layout::kInOut;
    const int64_t first_dim = tensor.shape().empty() ? 0 : tensor.shape()[0];
    const int64_t rest = first_dim == 0 ? 0 : int64_t(tensor.size()) / first_dim;
    const int64_t columns = turned ? first_dim : rest;
    if (tensor.shape().size() < 2 || columns != sum.columns) {
      fail("module '" + module + "' adds " + text_of(sum.rows, sum.columns) + " to weight '" +
           index_[weight].name + "' of shape " + core::shape_text(tensor.shape()) +
           (turned ? ", which is stored transposed" : "") + "; is it the right adapter?");
    }
    const auto [first, count] = rows_of(module, sum.rows, turned ? rest : first_dim);
    const auto inner = [&sum, turned](int64_t outer, double* line) {
      const int64_t length = turned ? sum.rows : sum.columns;
      for (int64_t r = 0; r < sum.rank; ++r) {
        const double factor = sum.scale * (turned ? sum.right[size_t(r * sum.columns + outer)]
                                                  : sum.left[size_t(outer * sum.rank + r)]);
        const double* other = turned ? sum.left.data() + r : sum.right.data() + r * sum.columns;
        const int64_t stride = turned ? sum.rank : 1;
        for (int64_t i = 0; i < length; ++i) line[i] += factor * other[i * stride];
      }
    };
    if (turned) {
      add_numbers(weight, module, {columns, count, rest, first}, inner);
    } else {
      add_numbers(weight, module, {count, columns, columns, first * columns}, inner);
    }
  }

  struct Lines {
    int64_t count, length, stride, first;  // numbers of `length` each, `stride` apart, from number `first` on
  };

  // `add(i, line)` adds to line i.
  template <typename Add>
  void add_numbers(size_t weight, const std::string& module, const Lines& lines, const Add& add) {
    Tensor& tensor = changed(weight);
    std::byte* bytes = tensor.mutable_bytes().data();
    pool_.parallel_for(size_t(lines.count), 1, [&](size_t begin, size_t end) {
      std::vector<double> line(static_cast<size_t>(lines.length));
      for (size_t at = begin; at < end; ++at) {
        const size_t start = size_t(lines.first) + at * size_t(lines.stride);
        for (size_t i = 0; i < line.size(); ++i) line[i] = tensor.at_f64(start + i);
        add(int64_t(at), line.data());
        for (size_t i = 0; i < line.size(); ++i) {
          store(tensor.dtype(), bytes, start + i, line[i]);
          if (!std::isfinite(tensor.at_f64(start + i)))
            fail("module '" + module + "': a merged weight is too large for " +
                 std::string(core::dtype_name(tensor.dtype())));
        }
      }
    });
  }

  // Full parameters: modules_to_save, biases, embeddings of a resized vocabulary.
  void replace(const Saved& saved) {
    for (const size_t weight : targets(saved.module, saved.kind, false)) {
      Tensor& tensor = changed(weight);
      const bool turned = saved.value.shape().size() == 2 && is_turned(weight);
      core::Shape shape = saved.value.shape();
      if (turned) std::swap(shape[0], shape[1]);
      if (shape != tensor.shape()) {
        fail("'" + saved.module + "." + saved.kind + "' of the adapter has shape " +
             core::shape_text(saved.value.shape()) + ", weight '" + index_[weight].name + "' has " +
             core::shape_text(tensor.shape()) + "; is it the right adapter?");
      }
      const size_t columns = shape.empty() ? 1 : size_t(shape.back());
      for (size_t i = 0; i < tensor.size(); ++i) {
        const size_t from = turned ? i % columns * (tensor.size() / columns) + i / columns : i;
        store(tensor.dtype(), tensor.mutable_bytes().data(), i, saved.value.at_f64(from));
      }
    }
  }

  // Whether a Linear's matrix, [out, in] in PyTorch, lies the other way round.
  bool is_turned(size_t weight) const {
    const auto& readers = index_[weight].readers;
    return !index_.has_original_form(weight) &&
           std::any_of(readers.begin(), readers.end(),
                       [](const WeightReader& reader) { return reader.layout == Layout::kInOut; });
  }

  const Adapter& adapter_;
  WeightIndex index_;
  const std::string& stem_;
  Merged merged_;
  std::map<std::string, const JoinedRows*> joined_;     // by the adapter's module
  std::map<std::string, std::vector<size_t>> targets_;  // the same -> weights
  std::set<size_t> changed_;
  core::ThreadPool pool_;
};

Adapter::Merged Adapter::merge_into(onnx::ModelDef& model, const std::string& stem) const {
  return Merger(*this, model, stem).run();
}

}  // namespace vulcap::lora
