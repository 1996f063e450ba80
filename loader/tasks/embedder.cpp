#include "loader/tasks/embedder.h"

#include <nlohmann/json.hpp>

#include "loader/families/embedders.h"
#include "loader/families/model_folder.h"

namespace vulcap::loader {
namespace {

struct Family {
  std::string_view model_type;
  std::unique_ptr<Embedder> (*load)(const std::filesystem::path&, const nlohmann::json&, session::Device&,
                                    const LoadOptions&);
};

constexpr Family kFamilies[] = {
    {"colpali", load_colpali},
    {"colqwen2", load_colqwen2},
    {"clip", load_dual_encoder},
    {"siglip", load_dual_encoder},
};

}  // namespace

std::unique_ptr<Embedder> load_embedder(const std::filesystem::path& dir, session::Device& device,
                                        const LoadOptions& options) {
  // Old folders of sentence-transformers keep config.json with the transformer.
  if (!std::filesystem::exists(dir / "modules.json")) {
    const nlohmann::json config = read_config(dir);
    for (const Family& family : kFamilies) {
      if (family.model_type == model_type(config)) return family.load(dir, config, device, options);
    }
  }
  return load_sentence_transformer(dir, device, options);
}

}  // namespace vulcap::loader
