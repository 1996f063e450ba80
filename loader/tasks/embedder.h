// Texts and images -> vectors that compare by meaning.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "loader/embeddings/embedding.h"
#include "loader/image/image.h"
#include "loader/tasks/load_options.h"
#include "runtime/session/program.h"

namespace vulcap::loader {

enum class TextKind { kPlain, kQuery, kDocument };

struct TextOptions {
  TextKind kind = TextKind::kPlain;        // of what use: models may put another prompt before each
  std::optional<std::string> prompt;       // put before each text instead
  std::optional<std::string> prompt_name;  // one of the folder's
};

class Embedder {
 public:
  virtual ~Embedder() = default;

  // One a text, in order. Throws core::Error: kUsage where the model takes no text or knows no such prompt,
  // kRuntime for a text it cannot take.
  virtual std::vector<Embedding> embed_texts(std::span<const std::string> texts,
                                             const TextOptions& options) = 0;
  // Throws core::Error: kUsage where the model takes no images, kRuntime for an image it cannot take.
  virtual Embedding embed_image(const image::Image& image) = 0;
  // How its embeddings are meant to be compared.
  virtual Similarity similarity() const = 0;
  // Files in use, "role: path (dtype)", and remarks about settings and inputs.
  virtual std::vector<std::string> description() const = 0;
  virtual std::vector<std::string> warnings() const = 0;
  virtual Fallbacks fallbacks() const = 0;
};

// By config.json's model_type: ColPali and ColQwen2; CLIP and SigLIP; else a text encoder, with the settings
// of sentence-transformers where the folder has them. Throws core::Error(kInvalidModel).
std::unique_ptr<Embedder> load_embedder(const std::filesystem::path& dir, session::Device& device,
                                        const LoadOptions& options);

}  // namespace vulcap::loader
