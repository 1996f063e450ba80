#include "loader/families/embeddings_captioner.h"

#include <algorithm>
#include <utility>

#include "loader/families/model_folder.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

constexpr int64_t kUsualText = 32;

struct MropePositions {
  std::vector<int64_t> ids;  // [3, length]: time, row, column
  int64_t next = 0;
};

// Text counts in all three; an image stands at one time and spreads over a grid of rows and columns; what
// follows it counts on from the largest (transformers' Qwen2VLModel.get_rope_index).
MropePositions mrope_positions(const std::vector<int64_t>& layout, int64_t grid_rows, int64_t grid_columns) {
  const size_t length = layout.size();
  MropePositions result{std::vector<int64_t>(3 * length), 0};
  int64_t cell = 0;
  for (size_t i = 0; i < length; ++i) {
    const bool is_image = layout[i] < 0;
    result.ids[i] = result.next;
    result.ids[length + i] = result.next + (is_image ? cell / grid_columns : 0);
    result.ids[2 * length + i] = result.next + (is_image ? cell % grid_columns : 0);
    if (!is_image) {
      ++result.next;
    } else if (++cell == grid_rows * grid_columns) {
      result.next += std::max(grid_rows, grid_columns);
    }
  }
  return result;
}

}  // namespace

void EmbeddingsCaptioner::load_parts(const nlohmann::json& config, int64_t first_position) {
  read_positions(section(config, "text_config"));
  const ModelFiles files(dir_, options_.dtype);
  load_encoder(files.require(image_encoder_role()), "vision encoder");
  if (options_.encoder_only) return;
  embeddings_ = std::make_unique<TokenEmbeddings>(device_, files.require(token_embeddings_role()), options_);
  description_.push_back(embeddings_->description());
  load_decoder(files.require_decoders({.input = DecoderNeeds::Input::kEmbeds}), first_position);
  if (decoder_->roles().position_planes > 0 &&
      (decoder_->roles().position_planes != 3 || preprocess_.merge_size < 1)) {
    throw core::Error(core::ErrorCode::kInvalidModel,
                      dir_.string() +
                          ": position_ids of rank 3 are known for image processors that cut patches "
                          "(Qwen2VLImageProcessor), with 3 in front");
  }
}

void EmbeddingsCaptioner::note_images(std::span<const image::PixelValues> images,
                                      const session::EncoderOutput& output) {
  const image::PixelValues& one = images.front();
  const size_t rows = core::element_count({output.shape.begin(), output.shape.end() - 1});
  features_ = {int64_t(rows / images.size()), one.frames, one.frame_rows, one.frame_columns};
  const int cell = std::max(1, preprocess_.patch_size * preprocess_.merge_size);
  grid_rows_ = one.height / cell;
  grid_columns_ = one.width / cell;
}

session::EncoderOutput EmbeddingsCaptioner::decoder_states(const session::EncoderOutput& images,
                                                           const CaptionPrompt&) {
  images_ = images;
  return {};
}

std::vector<int64_t> EmbeddingsCaptioner::prompt_ids(const CaptionPrompt& prompt,
                                                     const generate::GenerationConfig& config) {
  layout_ = layout(prompt, config);
  const auto places = std::count(layout_.begin(), layout_.end(), kImage);
  if (places != features_.rows) {
    throw core::Error(core::ErrorCode::kUsage,
                      "the prompt holds " + std::to_string(places) + " image tokens but the image gives " +
                          std::to_string(features_.rows) + " features; name the image once in the prompt");
  }
  const auto image_id = visible_image_id();
  if (!image_id) return {};
  std::vector<int64_t> ids = layout_;
  std::replace(ids.begin(), ids.end(), kImage, *image_id);
  return ids;
}

int64_t EmbeddingsCaptioner::usual_positions() const { return features_.rows + kUsualText; }

int64_t EmbeddingsCaptioner::embedded_positions() const {
  return visible_image_id() ? 0 : int64_t(layout_.size());
}

void EmbeddingsCaptioner::start(const CaptionPrompt&, std::span<const int64_t>) {
  std::vector<int64_t> ids = layout_;
  std::replace(ids.begin(), ids.end(), kImage, int64_t{0});  // a token that every vocabulary has
  const core::Tensor text = as_float(embeddings_->embed(ids, 1, int(ids.size())), core::DType::kF32);
  const core::Tensor features = as_float(read_output(std::exchange(images_, {})), core::DType::kF32);
  const int64_t width = text.shape().back();
  if (features.shape().back() != width) {
    throw core::Error(core::ErrorCode::kInvalidModel,
                      dir_.string() + ": image features are " + std::to_string(features.shape().back()) +
                          " wide but token embeddings " + std::to_string(width) +
                          "; the graphs are of different models");
  }
  const auto images = int64_t(image_sizes_.size());
  core::Tensor joined(core::DType::kF32, {images, int64_t(layout_.size()), width});
  const float* feature = features.as<float>().data();
  float* to = joined.mutable_as<float>().data();
  for (int64_t image = 0; image < images; ++image) {
    for (size_t i = 0; i < layout_.size(); ++i, to += width) {
      const bool is_image = layout_[i] == kImage;
      std::copy_n(is_image ? feature : text.as<float>().data() + i * size_t(width), width, to);
      if (is_image) feature += width;
    }
  }
  prompt_ = as_float(joined, decoder_->input_dtype(decoder_->roles().embeds));
  if (decoder_->roles().position_planes == 0) return;
  const MropePositions places = mrope_positions(layout_, grid_rows_, grid_columns_);
  positions_ = places.ids;
  next_position_ = places.next;
}

std::span<const float> EmbeddingsCaptioner::step(std::span<const int64_t> ids, int rows, int length,
                                                 std::span<const int32_t> reorder) {
  if (prompt_.size() > 0) {
    const core::Tensor prompt = std::exchange(prompt_, {});
    return run_step(prompt, rows, int(prompt.shape()[1]), reorder);
  }
  const core::Tensor next =
      as_float(embeddings_->embed(ids, rows, length), decoder_->input_dtype(decoder_->roles().embeds));
  return run_step(next, rows, length, reorder);
}

std::span<const float> EmbeddingsCaptioner::run_step(const core::Tensor& embeddings, int rows, int length,
                                                     std::span<const int32_t> reorder) {
  session::Tokens tokens(embeddings);
  if (decoder_->roles().position_planes == 0) return decoder_->step(tokens, rows, length, reorder);
  std::vector<int64_t> positions = std::exchange(positions_, {});
  if (positions.empty()) {
    positions.assign(size_t(decoder_->roles().position_planes), next_position_);
    ++next_position_;
  }
  tokens.positions = positions;
  return decoder_->step(tokens, rows, length, reorder);
}

// The answer alone, without the prompt that the ids begin with.
Caption EmbeddingsCaptioner::make_caption(const generate::Sequence& sequence, const CaptionPrompt&,
                                          size_t) const {
  const size_t prompt = visible_image_id() ? layout_.size() : 0;
  return {tokenizer_.decode(std::span<const int64_t>(sequence.ids).subspan(prompt)), sequence.ids,
          sequence.score};
}

std::vector<const plan::Plan*> EmbeddingsCaptioner::plans() const {
  std::vector<const plan::Plan*> all = CaptionerBase::plans();
  if (!embeddings_) return all;
  const auto own = embeddings_->plans();
  all.insert(all.end(), own.begin(), own.end());
  return all;
}

}  // namespace vulcap::loader
