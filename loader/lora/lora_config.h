// adapter_config.json of a LoRA adapter, as PEFT 0.17 reads it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "loader/tokenizer/regex.h"

namespace vulcap::lora {

// Modules are named as in PEFT, without "base_model.model.": "model.layers.0.self_attn.q_proj".
class LoraConfig {
 public:
  // Throws core::Error(kInvalidModel) beginning with the path: another peft_type; an option that cannot be
  // merged into weights (DoRA, QALoRA, initialisations that change the base weights, ...); a field of the
  // wrong type or one that is not known and not off.
  static LoraConfig read(const std::filesystem::path& path);

  // Whether target_modules, exclude_modules, layers_to_transform and layers_pattern choose the module.
  bool targets(const std::string& module) const;
  int64_t rank(const std::string& module) const;
  // lora_alpha / r, or lora_alpha / sqrt(r) with use_rslora.
  double scale(const std::string& module) const;

 private:
  using Regex = std::shared_ptr<const tokenizer::Regex>;

  // A list of names that a module ends with, or one expression for the whole module.
  struct Modules {
    std::vector<std::string> names;
    Regex expression;
    bool all_linear = false;

    bool match(const std::string& module) const;
  };
  using Patterns = std::vector<std::pair<Regex, double>>;  // in the order of the file

  class Reader;
  static double pattern_value(const Patterns& patterns, const std::string& module, double fallback);
  bool layer_chosen(const std::string& module) const;

  Modules target_, excluded_;
  std::vector<int64_t> layers_;  // empty: all
  std::vector<Regex> layer_patterns_;
  Patterns ranks_, alphas_;
  int64_t rank_ = 8;
  double alpha_ = 8;
  bool root_scale_ = false;
};

}  // namespace vulcap::lora
