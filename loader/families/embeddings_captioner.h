// Captioners whose decoder takes embeddings: rows of image features stand among the embeddings of the
// prompt's tokens. A family says where.
#pragma once

#include <vector>

#include "loader/families/captioner_base.h"
#include "loader/families/image_prompt.h"
#include "loader/generation/token_embeddings.h"

namespace vulcap::loader {

class EmbeddingsCaptioner : public CaptionerBase {
 protected:
  using CaptionerBase::CaptionerBase;
  // The image encoder, the token embeddings and the decoder. `first_position`: see load_decoder().
  void load_parts(const nlohmann::json& config, int64_t first_position = 0);

  // In a layout: the position takes the next row of image features.
  static constexpr int64_t kImage = -1;
  // The whole prompt: token ids, and kImage features().rows times.
  virtual std::vector<int64_t> layout(const CaptionPrompt& prompt,
                                      const generate::GenerationConfig& config) = 0;
  // The id at image positions in what generate() sees of the prompt, and returns; none: it sees nothing, as
  // where transformers is given `inputs_embeds` alone.
  virtual std::optional<int64_t> visible_image_id() const { return std::nullopt; }

  // Of each image that was encoded last.
  const ImageFeatures& features() const { return features_; }

  std::vector<const plan::Plan*> plans() const override;

 private:
  void note_images(std::span<const image::PixelValues> images, const session::EncoderOutput& output) override;
  session::EncoderOutput decoder_states(const session::EncoderOutput& images,
                                        const CaptionPrompt& prompt) override;
  std::vector<int64_t> prompt_ids(const CaptionPrompt& prompt,
                                  const generate::GenerationConfig& config) override;
  int64_t embedded_positions() const override;
  int64_t usual_positions() const override;
  void start(const CaptionPrompt& prompt, std::span<const int64_t> ids) override;
  std::span<const float> step(std::span<const int64_t> ids, int rows, int length,
                              std::span<const int32_t> reorder) override;
  std::span<const float> run_step(const core::Tensor& embeddings, int rows, int length,
                                  std::span<const int32_t> reorder);
  Caption make_caption(const generate::Sequence& sequence, const CaptionPrompt& prompt,
                       size_t image) const override;

  std::unique_ptr<TokenEmbeddings> embeddings_;
  ImageFeatures features_;
  session::EncoderOutput images_;  // features of all images until start() has read them
  // Of image tokens, where the processor cuts patches.
  int64_t grid_rows_ = 0;
  int64_t grid_columns_ = 0;
  std::vector<int64_t> layout_;
  core::Tensor prompt_;  // f[images, length, width] until the first step has read it
  // M-RoPE: ids of the prompt i64[3, length] until the first step, and that of the next token.
  std::vector<int64_t> positions_;
  int64_t next_position_ = 0;
};

}  // namespace vulcap::loader
