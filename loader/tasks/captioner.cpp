#include "loader/tasks/captioner.h"

#include <nlohmann/json.hpp>

#include "loader/families/families.h"
#include "loader/families/model_folder.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

struct Family {
  std::string_view model_type;
  std::unique_ptr<Captioner> (*load)(const std::filesystem::path&, const nlohmann::json&, session::Device&,
                                     const LoadOptions&);
};

constexpr Family kCaptionFamilies[] = {
    {"vision-encoder-decoder", load_vision_encoder_decoder},
};

}  // namespace

std::unique_ptr<Captioner> load_captioner(const std::filesystem::path& dir, session::Device& device,
                                          const LoadOptions& options) {
  const nlohmann::json config = read_config(dir);
  const std::string type = model_type(config);
  std::string known;
  for (const Family& family : kCaptionFamilies) {
    if (family.model_type == type) return family.load(dir, config, device, options);
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  throw core::Error(core::ErrorCode::kInvalidModel, (dir / "config.json").string() + ": model_type '" + type +
                                                        "' cannot caption here; supported: " + known);
}

}  // namespace vulcap::loader
