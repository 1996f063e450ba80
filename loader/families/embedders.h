// Families that embed; loader/tasks picks by config.json's model_type.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "loader/tasks/embedder.h"
#include "loader/tasks/zero_shot_image_classifier.h"

namespace vulcap::loader {

std::unique_ptr<Embedder> load_colpali(const std::filesystem::path& dir, const nlohmann::json& config,
                                       session::Device& device, const LoadOptions& options);
std::unique_ptr<Embedder> load_colqwen2(const std::filesystem::path& dir, const nlohmann::json& config,
                                        session::Device& device, const LoadOptions& options);
// CLIP and SigLIP.
std::unique_ptr<Embedder> load_dual_encoder(const std::filesystem::path& dir, const nlohmann::json& config,
                                            session::Device& device, const LoadOptions& options);
std::unique_ptr<ZeroShotImageClassifier> load_image_text_scorer(const std::filesystem::path& dir,
                                                                const nlohmann::json& config,
                                                                session::Device& device,
                                                                const LoadOptions& options);
// Text encoders, with or without the files of sentence-transformers.
std::unique_ptr<Embedder> load_sentence_transformer(const std::filesystem::path& dir, session::Device& device,
                                                    const LoadOptions& options);

}  // namespace vulcap::loader
