// One function a model family; tasks.cpp picks by config.json's model_type.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "loader/model_dir.h"
#include "loader/tasks/captioner.h"
#include "loader/tasks/text_generator.h"
#include "loader/tasks/transcriber.h"

namespace vulcap::loader {

// ViT-GPT2 and every other encoder-decoder of an image encoder and a text decoder with cross-attention.
std::unique_ptr<Captioner> load_vision_encoder_decoder(const std::filesystem::path& dir,
                                                       const nlohmann::json& config, session::Device& device,
                                                       const LoadOptions& options);
// Captions, text, boxes, quads and polygons by task tokens.
std::unique_ptr<Captioner> load_florence2(const std::filesystem::path& dir, const nlohmann::json& config,
                                          session::Device& device, const LoadOptions& options);

// BLIP: captions, begun ones too, or answers where the folder has an encoder of questions.
std::unique_ptr<Captioner> load_blip(const std::filesystem::path& dir, const nlohmann::json& config,
                                     session::Device& device, const LoadOptions& options);

// GIT: captions and answers.
std::unique_ptr<Captioner> load_git(const std::filesystem::path& dir, const nlohmann::json& config,
                                    session::Device& device, const LoadOptions& options);

std::unique_ptr<Transcriber> load_whisper(const std::filesystem::path& dir, const nlohmann::json& config,
                                          session::Device& device, const LoadOptions& options);

// Image features in front of a text decoder's start token; one graph, or three with a cache.
std::unique_ptr<Captioner> load_prefix_vlm(const std::filesystem::path& dir, const nlohmann::json& config,
                                           session::Device& device, const LoadOptions& options);

// Image features in place of an image token that the config names.
std::unique_ptr<Captioner> load_image_text_decoder(const std::filesystem::path& dir,
                                                   const nlohmann::json& config, session::Device& device,
                                                   const LoadOptions& options);
// GPT-2, LLaMA and every other decoder-only language model.
std::unique_ptr<TextGenerator> load_causal_lm(const std::filesystem::path& dir, const nlohmann::json& config,
                                              const ModelFiles& files, session::Device& device,
                                              const LoadOptions& options);

// T5, BART and every other encoder-decoder language model.
std::unique_ptr<TextGenerator> load_seq2seq_lm(const std::filesystem::path& dir, const nlohmann::json& config,
                                               const ModelFiles& files, session::Device& device,
                                               const LoadOptions& options);

}  // namespace vulcap::loader
