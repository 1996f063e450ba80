#include "loader/lora/lora_config.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "loader/open_regular.h"
#include "loader/read_json.h"
#include "loader/tokenizer/unicode.h"
#include "runtime/core/error.h"
#include "runtime/core/mapped_file.h"

namespace vulcap::lora {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kLargestRank = 1 << 20;

[[noreturn]] void fail(const std::string& what) { throw core::Error(core::ErrorCode::kInvalidModel, what); }

// Fields that do not change what a finished adapter adds to the weights. How a weight lies (fan_in_fan_out)
// follows from the graph, which saved tensors replace others (bias, modules_to_save) from their names.
constexpr std::string_view kWithoutEffect[] = {"auto_mapping",
                                               "base_model_name_or_path",
                                               "corda_config",
                                               "eva_config",
                                               "inference_mode",
                                               "loftq_config",
                                               "lora_dropout",
                                               "megatron_core",
                                               "peft_version",
                                               "qalora_group_size",
                                               "revision",
                                               "runtime_config",
                                               "task_type",
                                               "modules_to_save",
                                               "ensure_weight_tying",
                                               "lora_bias",
                                               "fan_in_fan_out"};

constexpr std::string_view kHonoured[] = {"peft_type",
                                          "r",
                                          "lora_alpha",
                                          "use_rslora",
                                          "rank_pattern",
                                          "alpha_pattern",
                                          "bias",
                                          "target_modules",
                                          "exclude_modules",
                                          "layers_to_transform",
                                          "layers_pattern",
                                          "init_lora_weights"};

struct Refusal {
  std::string_view field, reason;
};
constexpr Refusal kRefused[] = {
    {"use_dora", "DoRA rescales each column of the weights"},
    {"use_qalora", "QALoRA works on quantised groups"},
    {"use_bdlora", "block-diagonal adapters are not supported"},
    {"layer_replication", "it builds a model with other layers"},
    {"trainable_token_indices", "single token rows are not supported"},
    {"target_parameters", "parameters outside of modules are not supported"},
    {"megatron_config", "Megatron layers are not supported"},
    {"alora_invocation_tokens", "an activated LoRA acts on part of the text only"},
    {"arrow_config", "routed adapters depend on the input"}};

template <typename List, typename Item>
bool holds(const List& list, const Item& name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

// null, false, 0, "", [] and {} leave an option off.
bool is_off(const Json& value) {
  if (value.is_null() || value == false) return true;
  if (value.is_number()) return value == 0;
  if (value.is_string()) return value.get_ref<const std::string&>().empty();
  return value.is_structured() && value.empty();
}

std::vector<std::string> read_names(const Json& value, const std::string& field) {
  std::vector<std::string> names;
  for (const Json& item : value) {
    if (!item.is_string()) fail(field + " must be a list of names");
    names.push_back(item.get<std::string>());
  }
  return names;
}

std::shared_ptr<const tokenizer::Regex> compile(const std::string& expression, const std::string& field) {
  return std::make_shared<const tokenizer::Regex>(expression, field);
}

bool matches(const tokenizer::Regex& expression, const std::string& module) {
  for (const tokenizer::Segment& segment : expression.find(tokenizer::to_code_points(module)))
    if (segment.is_match) return true;
  return false;
}

bool ends_with_name(const std::string& module, const std::string& name) {
  return module == name || module.ends_with("." + name);
}

}  // namespace

class LoraConfig::Reader {
 public:
  explicit Reader(const Json& json) : json_(json) {}

  LoraConfig read() const {
    if (json_.value("peft_type", Json()) != "LORA") {
      fail("peft_type is " + json_.value("peft_type", Json()).dump() +
           "; only \"LORA\" adapters can be merged");
    }
    refuse_what_cannot_be_merged();
    LoraConfig config;
    config.rank_ = whole("r", 8);
    config.alpha_ = number("lora_alpha", 8);
    config.root_scale_ = boolean("use_rslora");
    config.target_ = modules("target_modules");
    config.excluded_ = modules("exclude_modules");
    config.ranks_ = patterns("rank_pattern");
    config.alphas_ = patterns("alpha_pattern");
    if (const Json* layers = find("layers_to_transform")) {
      for (const Json& layer : layers->is_array() ? *layers : Json::array({*layers})) {
        if (!layer.is_number_unsigned()) fail("layers_to_transform must hold layer numbers");
        config.layers_.push_back(layer.get<int64_t>());
      }
    }
    for (const std::string& name : name_or_names("layers_pattern"))
      config.layer_patterns_.push_back(compile("\\A.*\\.(?:" + name + ")\\.(?=[0-9]+\\.)", "layers_pattern"));
    return config;
  }

 private:
  // Null where the field is absent or null.
  const Json* find(const char* field) const {
    const auto found = json_.find(field);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }

  void refuse_what_cannot_be_merged() const {
    for (const auto& [field, reason] : kRefused) {
      const Json* value = find(std::string(field).c_str());
      if (value != nullptr && !is_off(*value))
        fail(std::string(field) + " cannot be merged: " + std::string(reason));
    }
    for (const auto& item : json_.items()) {
      const bool refused = std::any_of(std::begin(kRefused), std::end(kRefused),
                                       [&](const Refusal& one) { return one.field == item.key(); });
      if (refused || holds(kWithoutEffect, item.key()) || holds(kHonoured, item.key())) continue;
      if (!is_off(item.value()))
        fail("field '" + item.key() + "' is not known; it might change the weights, so nothing is merged");
    }
    const Json* init = find("init_lora_weights");
    if (init != nullptr && !init->is_boolean() && *init != "gaussian" && *init != "eva" &&
        *init != "orthogonal") {
      fail("init_lora_weights " + init->dump() +
           " changed the base weights too; convert the adapter with PEFT "
           "(save_pretrained(..., path_initial_model_for_weight_conversion=...))");
    }
    const Json* bias = find("bias");
    if (bias != nullptr && *bias != "none" && *bias != "all" && *bias != "lora_only")
      fail("bias must be none, all or lora_only, not " + bias->dump());
  }

  bool boolean(const char* field) const {
    const Json* value = find(field);
    if (value != nullptr && !value->is_boolean()) fail(std::string(field) + " must be true or false");
    return value != nullptr && value->get<bool>();
  }

  double number(const char* field, double fallback) const {
    const Json* value = find(field);
    if (value != nullptr && !value->is_number()) fail(std::string(field) + " must be a number");
    return value == nullptr ? fallback : value->get<double>();
  }

  int64_t whole(const char* field, int64_t fallback) const {
    const double value = number(field, double(fallback));
    if (!(value >= 1 && value <= kLargestRank) || value != std::floor(value))
      fail(std::string(field) + " must be a whole number from 1");
    return int64_t(value);
  }

  std::vector<std::string> name_or_names(const char* field) const {
    const Json* value = find(field);
    if (value == nullptr) return {};
    if (value->is_string())
      return value->empty() ? std::vector<std::string>() : std::vector{value->get<std::string>()};
    return read_names(*value, field);
  }

  Modules modules(const char* field) const {
    Modules chosen;
    const Json* value = find(field);
    if (value == nullptr) return chosen;
    if (!value->is_string()) {
      chosen.names = read_names(*value, field);
    } else if (*value == "all-linear") {
      chosen.all_linear = true;
    } else {
      chosen.expression = compile("\\A(?:" + value->get<std::string>() + ")\\z", field);
    }
    return chosen;
  }

  Patterns patterns(const char* field) const {
    Patterns list;
    const Json* value = find(field);
    if (value == nullptr) return list;
    if (!value->is_object()) fail(std::string(field) + " must be an object of module and number");
    for (const auto& item : value->items()) {
      if (!item.value().is_number()) fail(std::string(field) + " of '" + item.key() + "' must be a number");
      list.emplace_back(compile("\\A(?:.*\\.)?(?:" + item.key() + ")\\z", field), item.value().get<double>());
    }
    return list;
  }

  const Json& json_;
};

LoraConfig LoraConfig::read(const std::filesystem::path& path) {
  loader::read_json_object(path);  // limits of size and depth
  const auto file = loader::open_regular(path);
  const auto* text = reinterpret_cast<const char*>(file->bytes().data());
  const Json json = Json::parse(text, text + file->bytes().size());
  try {
    return Reader(json).read();
  } catch (core::Error& error) {
    error.add_context(path.string());
    throw;
  }
}

bool LoraConfig::Modules::match(const std::string& module) const {
  if (all_linear) return true;
  if (expression) return matches(*expression, module);
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return ends_with_name(module, name); });
}

// Follows check_target_module_exists: the whole name in the list is chosen whatever its layer.
bool LoraConfig::targets(const std::string& module) const {
  if (excluded_.match(module) || !target_.match(module)) return false;
  const bool by_ending = !target_.all_linear && !target_.expression && !holds(target_.names, module);
  return !by_ending || layers_.empty() || layer_chosen(module);
}

bool LoraConfig::layer_chosen(const std::string& module) const {
  // The number that follows the pattern, or without patterns the last one with a name before and behind it.
  const auto number_behind = [&](size_t at) -> std::optional<int64_t> {
    const size_t end = module.find_first_not_of("0123456789", at);
    if (end == at || end == std::string::npos || module[end] != '.' || end - at > 9) return std::nullopt;
    return std::stoll(module.substr(at, end - at));
  };
  std::optional<int64_t> layer;
  for (const Regex& pattern : layer_patterns_) {
    const auto segments = pattern->find(tokenizer::to_code_points(module));
    if (!layer && !segments.empty() && segments[0].is_match) layer = number_behind(segments[0].end);
  }
  if (layer_patterns_.empty()) {
    for (size_t dot = module.find('.'); dot != std::string::npos; dot = module.find('.', dot + 1)) {
      const bool has_two_before = module.find('.') < dot;
      if (const auto number = number_behind(dot + 1); number && has_two_before) layer = number;
    }
  }
  return layer && holds(layers_, *layer);
}

double LoraConfig::pattern_value(const Patterns& patterns, const std::string& module, double fallback) {
  for (const auto& [expression, value] : patterns)
    if (matches(*expression, module)) return value;
  return fallback;
}

int64_t LoraConfig::rank(const std::string& module) const {
  return int64_t(pattern_value(ranks_, module, double(rank_)));
}

double LoraConfig::scale(const std::string& module) const {
  const auto r = double(rank(module));
  return pattern_value(alphas_, module, alpha_) / (root_scale_ ? std::sqrt(r) : r);
}

}  // namespace vulcap::lora
