#include "loader/grounding/settings.h"

#include <algorithm>
#include <set>

#include "loader/read_json.h"

namespace vulcap::grounding {
namespace {

// Fields of processor_config.json that change nothing: the image's positions are counted from its features.
const std::set<std::string>& neutral_fields() {
  static const std::set<std::string> names = {"processor_class", "auto_map", "num_additional_image_tokens",
                                              "image_seq_length", "transformers_version"};
  return names;
}

void read_processor(const std::filesystem::path& path, Settings& settings) {
  const nlohmann::json config = loader::read_json_object(path);
  settings.tasks.read(config, path.string());
  for (const auto& [name, value] : config.items()) {
    const auto& tables = TaskTable::fields();
    if (name == "post_processor_config") {
      if (!value.is_null()) settings.post_processor = PostProcessor(value, path.string(), settings.warnings);
    } else if (!neutral_fields().count(name) &&
               std::find(tables.begin(), tables.end(), name) == tables.end()) {
      settings.warnings.push_back(path.string() + ": \"" + name + "\" is not used");
    }
  }
}

}  // namespace

Settings read_settings(const std::filesystem::path& dir) {
  Settings settings;
  const auto preprocessor = dir / "preprocessor_config.json";
  const auto processor = dir / "processor_config.json";
  if (std::filesystem::exists(preprocessor))
    settings.tasks.read(loader::read_json_object(preprocessor), preprocessor.string());
  if (std::filesystem::exists(processor)) read_processor(processor, settings);
  return settings;
}

}  // namespace vulcap::grounding
