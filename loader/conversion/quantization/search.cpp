#include "loader/conversion/quantization/search.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "loader/conversion/folder.h"
#include "loader/conversion/quantization/answers.h"
#include "loader/conversion/quantization/graph_rewriter.h"
#include "loader/conversion/quantization/output_errors.h"
#include "loader/new_folder.h"
#include "loader/onnx/editable_model.h"
#include "loader/onnx/external_locations.h"
#include "runtime/core/error.h"

namespace vulcap::quantization {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostMixes = 32;  // tried of several files

// "/transformer/h.3/mlp/c_fc/MatMul" -> "/transformer/h.3/*"; a node outside of numbered layers is its own.
std::string layer_of(const std::string& node) {
  for (size_t end = node.find('/', 1); end != std::string::npos; end = node.find('/', end + 1)) {
    const size_t last = node.find_last_not_of("0123456789", end - 1);
    if (last != std::string::npos && last + 1 < end && node[last] == '.') return node.substr(0, end) + "/*";
  }
  return node;
}

// Patterns that tell the products, convolutions and tables of a model apart by layer.
std::vector<std::string> layers_of(const fs::path& file) {
  static const std::set<std::string> kOperators = {"MatMul", "Gemm", "Conv", "Gather"};
  onnx::EditableModel model = onnx::EditableModel::read(file);
  std::set<std::string> layers;
  GraphRewriter(model).each_node([&](Scope& scope, ::onnx::NodeProto& node) {
    if (!kOperators.count(node.op_type()) || node.name().empty()) return;
    const bool weighs = std::any_of(node.input().begin(), node.input().end(), [&](const std::string& name) {
      return scope.constant(name).has_value();
    });
    if (weighs) layers.insert(layer_of(node.name()));
  });
  return {layers.begin(), layers.end()};
}

// Formats of one file that keep the bound when it alone has them, with the bytes they take.
struct Candidate {
  std::optional<Format> format;
  size_t bytes = 0;
};

class Search {
 public:
  Search(const SearchRequest& request, session::Device& device)
      : request_(request),
        device_(device),
        scratch_(fs::temp_directory_path() / ("vulcap-search-" + std::to_string(getpid()))) {
    conversion::copy_companions(request.dir, scratch_.path(), {"expected"});
    for (const loader::OnnxFile& file : loader::list_onnx_files(request.dir))
      if (file.dtype == "fp32") files_.push_back(file);
    before_ = answer({request.dir, "fp32", request.prompt}, device, request.samples).texts;
    if (before_.empty())
      throw core::Error(core::ErrorCode::kUsage,
                        request.dir.string() +
                            ": the model gives no texts that could be compared; give "
                            "--to instead of --auto");
    leave_out_unused();
  }

  Trial run() {
    std::vector<std::vector<Candidate>> candidates;
    for (size_t i = 0; i < files_.size(); ++i) candidates.push_back(alone(i));
    Trial best = smallest_of(candidates);
    for (size_t i = 0; i < files_.size(); ++i) best = with_layers_left_out(i, std::move(best));
    return best;
  }

 private:
  void leave_out_unused() {
    for (const Choice& choice : as_they_are()) make(choice);
    std::erase_if(files_, [this](const loader::OnnxFile& file) {
      if (is_needed(file)) return false;
      if (request_.on_unused) request_.on_unused(file.path);
      return true;
    });
  }

  // Whether there is no answer once nothing is left of the file but its inputs and outputs.
  bool is_needed(const loader::OnnxFile& file) {
    const fs::path place = place_of({file.path, std::nullopt});
    onnx::EditableModel hollow = onnx::EditableModel::read(file.path);
    hollow.proto().mutable_graph()->clear_node();
    hollow.proto().mutable_graph()->clear_initializer();
    hollow.write(place);
    bool needed = false;
    try {
      answer({scratch_.path(), "fp32", request_.prompt}, device_, request_.samples, 1);
    } catch (const core::Error&) {
      needed = true;
    }
    fs::remove(place);
    conversion::copy_model(file.path, place);
    return needed;
  }

  std::vector<Choice> as_they_are() const {
    std::vector<Choice> mix;
    for (const loader::OnnxFile& file : files_) mix.push_back({file.path, std::nullopt});
    return mix;
  }

  size_t bytes_of(const Choice& choice) const { return made_.at(key_of(choice)); }

  using Key = std::tuple<fs::path, std::optional<Format>, std::vector<std::string>>;
  static Key key_of(const Choice& choice) { return {choice.file, choice.format, choice.exclude}; }

  fs::path place_of(const Choice& choice) const {
    const loader::OnnxFile file = loader::describe_onnx_file(choice.file);
    const std::string suffix = choice.format ? format_suffix(*choice.format) : "";
    return (scratch_.path() / choice.file.lexically_relative(request_.dir)).parent_path() /
           (file.stem + suffix + ".onnx");
  }

  // The file of a choice in the scratch folder, and its bytes.
  void make(const Choice& choice) {
    const fs::path place = place_of(choice);
    if (made_.count(key_of(choice)) && current_[place] == choice.exclude) return;
    fs::create_directories(place.parent_path());
    if (!choice.format) {
      conversion::copy_model(choice.file, place);
      made_[key_of(choice)] = onnx::model_bytes(place);
    } else {
      Options options = fitted(request_.options, *choice.format);
      options.exclude.insert(options.exclude.end(), choice.exclude.begin(), choice.exclude.end());
      made_[key_of(choice)] = quantize_file(choice.file, place, options).bytes_after;
    }
    current_[place] = choice.exclude;
  }

  Trial attempt(std::vector<Choice> mix) {
    Trial trial;
    trial.mix = std::move(mix);
    trial.answers = before_.size();
    try {
      std::string dtype;
      for (const Choice& choice : trial.mix) {
        make(choice);
        trial.bytes += bytes_of(choice);
        const std::string format = choice.format ? std::string(format_name(*choice.format)) : "fp32";
        dtype += (dtype.empty() ? "" : ",") + loader::describe_onnx_file(choice.file).stem + "=" + format;
      }
      const Answers after = answer({scratch_.path(), dtype, request_.prompt}, device_, request_.samples);
      for (size_t i = 0; i < before_.size(); ++i) trial.changed += before_[i] != after.texts[i];
      trial.keeps = double(trial.changed) <= request_.max_change * double(trial.answers);
    } catch (const core::Error& error) {
      trial.error = error.message();
    }
    if (request_.on_trial) request_.on_trial(trial);
    return trial;
  }

  std::vector<Candidate> alone(size_t file) {
    std::vector<Choice> mix = as_they_are();
    make(mix[file]);
    std::vector<Candidate> kept{{std::nullopt, bytes_of(mix[file])}};
    for (const Format format : request_.formats) {
      mix[file].format = format;
      const Trial trial = attempt(mix);
      if (trial.keeps) kept.push_back({format, bytes_of(mix[file])});
      if (trial.keeps && (!smallest_alone_ || trial.bytes < smallest_alone_->bytes)) smallest_alone_ = trial;
    }
    return kept;
  }

  // Of all mixes of candidates the smallest that keeps the bound.
  Trial smallest_of(const std::vector<std::vector<Candidate>>& candidates) {
    std::vector<std::pair<size_t, std::vector<Choice>>> mixes{{0, {}}};
    for (size_t i = 0; i < files_.size(); ++i) {
      std::vector<std::pair<size_t, std::vector<Choice>>> longer;
      for (const auto& [bytes, mix] : mixes) {
        for (const Candidate& candidate : candidates[i]) {
          longer.emplace_back(bytes + candidate.bytes, mix);
          longer.back().second.push_back({files_[i].path, candidate.format});
        }
      }
      mixes = std::move(longer);
    }
    std::stable_sort(mixes.begin(), mixes.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (size_t i = 0; i < std::min(kMostMixes, mixes.size()); ++i) {
      if (smallest_alone_ && mixes[i].first >= smallest_alone_->bytes) break;
      const Trial trial = attempt(mixes[i].second);
      if (trial.keeps) return trial;
    }
    return smallest_alone_ ? *smallest_alone_ : attempt(as_they_are());
  }

  // Smaller formats for one file of the best mix, with the layers that they harm most left as they are.
  Trial with_layers_left_out(size_t file, Trial best) {
    for (const Format format : request_.formats) {
      std::vector<Choice> mix = best.mix;
      mix[file] = {files_[file].path, format, {}};
      if (!is_smaller(mix, best)) continue;
      const std::vector<std::string> layers = layers_by_harm(mix[file]);
      for (size_t count = 1; count < layers.size(); count *= 2) {
        mix[file].exclude.assign(layers.begin(), layers.begin() + std::ptrdiff_t(count));
        if (!is_smaller(mix, best)) break;
        Trial trial = attempt(mix);
        if (!trial.keeps) continue;
        best = std::move(trial);
        break;
      }
    }
    return best;
  }

  // False also for what cannot be made.
  bool is_smaller(const std::vector<Choice>& mix, const Trial& best) {
    size_t bytes = 0;
    try {
      for (const Choice& choice : mix) {
        make(choice);
        bytes += bytes_of(choice);
      }
    } catch (const core::Error&) {
      return false;
    }
    return bytes < best.bytes;
  }

  // Patterns of layers, first that whose quantisation alone moves the graph's outputs most.
  std::vector<std::string> layers_by_harm(const Choice& whole) {
    const std::vector<std::string> layers = layers_of(whole.file);
    std::vector<std::pair<double, std::string>> harms;
    for (const std::string& layer : layers) {
      Choice alone = whole;
      for (const std::string& other : layers)
        if (other != layer) alone.exclude.push_back(other);
      try {
        make(alone);
        const FileResult made{whole.file, place_of(alone), *whole.format, 0, 0, {}};
        double harm = 0;
        for (const OutputError& row : output_errors({made}, request_.dir, &request_.samples, device_))
          harm = std::max(harm, row.relative);
        harms.emplace_back(harm, layer);
      } catch (const core::Error&) {
        // Nothing in it becomes smaller.
      }
    }
    std::stable_sort(harms.begin(), harms.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    std::vector<std::string> ordered;
    for (auto& [harm, layer] : harms) ordered.push_back(std::move(layer));
    return ordered;
  }

  const SearchRequest& request_;
  session::Device& device_;
  loader::NewFolder scratch_;
  std::vector<loader::OnnxFile> files_;
  std::vector<std::string> before_;
  std::map<Key, size_t> made_;                            // bytes
  std::map<fs::path, std::vector<std::string>> current_;  // what lies there now leaves out these
  std::optional<Trial> smallest_alone_;
};

}  // namespace

Trial smallest_mix(const SearchRequest& request, session::Device& device) {
  return Search(request, device).run();
}

}  // namespace vulcap::quantization
