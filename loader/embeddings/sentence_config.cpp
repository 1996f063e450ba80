#include "loader/embeddings/sentence_config.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "loader/read_json.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kKnownModules = "Transformer, Pooling, Normalize, Dense, Dropout";

// Older releases named the file after the family.
constexpr const char* kTransformerConfigs[] = {
    "sentence_bert_config.json",      "sentence_roberta_config.json", "sentence_distilbert_config.json",
    "sentence_camembert_config.json", "sentence_albert_config.json",  "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
};

class Reader {
 public:
  explicit Reader(const fs::path& dir) : dir_(dir) { config_.transformer_dir = dir; }

  SentenceConfig read() {
    if (fs::exists(dir_ / "modules.json")) {
      read_modules();
    } else {
      config_.modules.emplace_back(PoolingConfig{});
    }
    read_transformer();
    read_prompts();
    return std::move(config_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw core::Error(core::ErrorCode::kInvalidModel, file_.string() + ": " + what);
  }

  std::string text_field(const json& object, const char* key) const {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_string()) fail(std::string("\"") + key + "\" must be a string");
    return found->get<std::string>();
  }

  json open(const fs::path& file) {
    file_ = file;
    return read_json_object(file);
  }

  void read_modules() {
    config_.has_modules = true;
    const fs::path list = file_ = dir_ / "modules.json";
    const json modules = read_json(list);
    if (!modules.is_array() || modules.empty()) fail("expected a list of modules");
    for (size_t i = 0; i < modules.size(); ++i) {
      file_ = list;
      if (!modules[i].is_object()) fail("module " + std::to_string(i) + " is no object");
      const std::string type = text_field(modules[i], "type");
      const fs::path folder =
          modules[i].value("path", json("")).is_string() ? dir_ / modules[i].value("path", "") : dir_;
      add_module(type, folder, i == 0);
    }
  }

  // Classes were once named by their package alone, later by package and file.
  void add_module(const std::string& type, const fs::path& folder, bool first) {
    const std::string name = type.substr(type.find_last_of('.') + 1);
    if (!type.starts_with("sentence_transformers.models.")) fail_module(type);
    if (first != (name == "Transformer")) {
      fail(first ? "the first module is " + type + "; only Transformer is supported there"
                 : "more than one Transformer");
    }
    if (first) {
      config_.transformer_dir = folder;
    } else if (name == "Pooling") {
      const json config = open(folder / "config.json");
      config_.modules.emplace_back(parse_pooling_config(config, file_.string()));
    } else if (name == "Normalize") {
      config_.modules.emplace_back(NormalizeModule{});
    } else if (name == "Dense") {
      config_.modules.emplace_back(load_dense(folder));
    } else if (name != "Dropout") {  // which does nothing outside training
      fail_module(type);
    }
  }

  [[noreturn]] void fail_module(const std::string& type) const {
    fail("module class '" + type + "' is not supported; known are " + kKnownModules);
  }

  void read_transformer() {
    for (const char* name : kTransformerConfigs) {
      if (!fs::exists(config_.transformer_dir / name)) continue;
      const json config = open(config_.transformer_dir / name);
      for (const auto& [key, value] : config.items()) read_transformer_field(key, value);
      return;
    }
  }

  void read_transformer_field(const std::string& key, const json& value) {
    if (key == "max_seq_length") {
      if (value.is_null()) return;
      if (!value.is_number_integer() || value < 1) {
        fail("\"max_seq_length\" must be a positive whole number or null, not " + value.dump());
      }
      config_.max_seq_length = value.get<int64_t>();
    } else if (key == "do_lower_case") {
      if (!value.is_boolean()) fail("\"do_lower_case\" must be true or false, not " + value.dump());
      config_.do_lower_case = value.get<bool>();
    } else if (!value.empty()) {
      config_.warnings.push_back(file_.string() + ": \"" + key + "\" is not used");
    }
  }

  void read_prompts() {
    config_.prompts = {{"query", ""}, {"document", ""}};  // what sentence-transformers starts from
    const fs::path path = dir_ / "config_sentence_transformers.json";
    if (!fs::exists(path)) return;
    const json config = open(path);
    const json prompts = config.value("prompts", json::object());
    if (!prompts.is_object() && !prompts.is_null()) fail("\"prompts\" must be an object of strings");
    for (const auto& [name, prompt] : prompts.items()) {
      if (!prompt.is_string()) fail("\"prompts." + name + "\" must be a string");
      config_.prompts[name] = prompt.get<std::string>();
    }
    if (!config.value("default_prompt_name", json()).is_null()) {
      config_.default_prompt_name = text_field(config, "default_prompt_name");
      if (!config_.prompts.count(*config_.default_prompt_name)) {
        fail("\"default_prompt_name\": '" + *config_.default_prompt_name + "' is none of the prompts");
      }
    }
    if (!config.value("similarity_fn_name", json()).is_null()) {
      config_.similarity = read_similarity(text_field(config, "similarity_fn_name"));
    }
  }

  Similarity read_similarity(const std::string& name) const {
    try {
      return parse_similarity(name);
    } catch (const core::Error& error) {
      fail("\"similarity_fn_name\": " + error.message());
    }
  }

  const fs::path dir_;
  fs::path file_;  // being read
  SentenceConfig config_;
};

}  // namespace

SentenceConfig read_sentence_config(const fs::path& dir) { return Reader(dir).read(); }

}  // namespace vulcap::loader
