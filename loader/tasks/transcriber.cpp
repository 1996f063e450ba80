#include "loader/tasks/transcriber.h"

#include <nlohmann/json.hpp>

#include "loader/families/families.h"
#include "loader/families/model_folder.h"
#include "runtime/core/error.h"

namespace vulcap::loader {

std::unique_ptr<Transcriber> load_transcriber(const std::filesystem::path& dir, session::Device& device,
                                              const LoadOptions& options) {
  const nlohmann::json config = read_config(dir);
  if (model_type(config) == "whisper") return load_whisper(dir, config, device, options);
  throw core::Error(core::ErrorCode::kInvalidModel, (dir / "config.json").string() + ": model_type '" +
                                                        model_type(config) +
                                                        "' cannot transcribe here; supported: whisper");
}

}  // namespace vulcap::loader
