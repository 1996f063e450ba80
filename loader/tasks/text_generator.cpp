#include "loader/tasks/text_generator.h"

#include <nlohmann/json.hpp>

#include "loader/families/families.h"
#include "loader/families/model_folder.h"

namespace vulcap::loader {

std::unique_ptr<TextGenerator> load_text_generator(const std::filesystem::path& dir, session::Device& device,
                                                   const LoadOptions& options) {
  const nlohmann::json config = read_config(dir);
  const ModelFiles files(dir, options.dtype, options.file);
  if (files.find_decoders({.cross_attention = true}))
    return load_seq2seq_lm(dir, config, files, device, options);
  return load_causal_lm(dir, config, files, device, options);
}

}  // namespace vulcap::loader
