// What every captioning family shares: settings, preprocessing, the order of a caption's parts, times,
// streaming and texts. A family says how an image is encoded, what generation starts from, and what a
// sequence of ids means.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "loader/generation/text_decoder.h"
#include "loader/generation_config.h"
#include "loader/grounding/locations.h"
#include "loader/tasks/captioner.h"
#include "loader/tokenizer/tokenizer.h"
#include "runtime/generate/generate.h"
#include "runtime/session/session.h"

namespace vulcap::loader {

class CaptionerBase : public Captioner {
 public:
  generate::GenerationConfig generation_config(const GenerationFlags& flags,
                                               std::vector<std::string>& warnings) const override;
  CaptionResult caption(const image::Image& image, const CaptionPrompt& prompt,
                        const generate::GenerationConfig& config, const OnText& on_text) override;
  std::vector<CaptionResult> caption_batch(std::span<const image::Image> images, const CaptionPrompt& prompt,
                                           const generate::GenerationConfig& config) override;
  CaptionResult caption_pixels(const image::PixelValues& pixels, const CaptionPrompt& prompt,
                               const generate::GenerationConfig& config, const OnText& on_text) override;
  void prepare(const generate::GenerationConfig& config) override;
  void encode(const image::PixelValues& pixels) override;
  std::pair<int, int> input_size() const override;
  std::vector<std::string> description() const override;
  std::vector<std::string> warnings() const override;
  Fallbacks fallbacks() const override;

 protected:
  // `processor`: class name of the image processor where preprocessor_config.json names none.
  CaptionerBase(std::filesystem::path dir, const nlohmann::json& config, session::Device& device,
                const LoadOptions& options, const std::string& processor);

  // --- what a family says ---
  // Images run together when their pixel values have one shape and their prompts one length; what follows is
  // asked once for all of them.

  // Tokens of the prompt for an image of this size, where they depend on it: else 0.
  virtual size_t prompt_length(const CaptionPrompt&, const grounding::ImageSize&) const { return 0; }
  // The prompt's ids, all that generate() is to know of it; the images are encoded already. Throws
  // core::Error(kUsage) for a prompt that the family does not take.
  virtual std::vector<int64_t> prompt_ids(const CaptionPrompt& prompt,
                                          const generate::GenerationConfig& config) = 0;
  // Called when the decoder has started, before the first step: what the prompt decides besides its ids.
  virtual void start(const CaptionPrompt& prompt, std::span<const int64_t> ids);
  // As generate::StepModel::step; feeds ids to the decoder unless a family embeds them.
  virtual std::span<const float> step(std::span<const int64_t> ids, int rows, int length,
                                      std::span<const int32_t> reorder);
  // What transformers' processors of the encoder's ids are given for an image; see generate::Prompts. Empty:
  // there are none.
  virtual std::vector<int64_t> encoder_ids(size_t) const { return {}; }
  // `image`: which of those that run together.
  virtual Caption make_caption(const generate::Sequence& sequence, const CaptionPrompt& prompt,
                               size_t image) const;
  // Positions of the decoder beside those of the ids: image features in front of the text.
  virtual int64_t prefix_positions() const { return 0; }
  // Positions of the prompt that start() embeds in place of ids, which are then empty; see
  // generate::Prompts::embedded. Known once prompt_ids() was called.
  virtual int64_t embedded_positions() const { return 0; }
  // More positions that prepare() makes room for: those of a prompt beyond one token.
  virtual int64_t usual_positions() const { return 0; }
  // Called when the images are encoded, or their place is known: what of their sizes the prompt depends on.
  virtual void note_images(std::span<const image::PixelValues>, const session::EncoderOutput&) {}
  // What the decoder reads, from what the image encoder has computed: that itself, unless a family puts
  // something between them; nothing for a decoder that takes embeddings.
  virtual session::EncoderOutput decoder_states(const session::EncoderOutput& images,
                                                const CaptionPrompt& prompt);
  // Of everything made so far.
  virtual std::vector<const plan::Plan*> plans() const;

  // --- what families use ---
  // Loads the image encoder; `role` describes it.
  void load_encoder(const OnnxFile& file, const std::string& role);
  // A graph that is image encoder and decoder in one.
  void load_whole(const OnnxFile& file);
  // An image encoder and a decoder that takes encoder_hidden_states, or both in one graph.
  void load_graphs(const ModelFiles& files);
  // `first_position`: the position id of a sequence's first token.
  void load_decoder(const DecoderFiles& files, int64_t first_position = 0);
  // The start token and the text behind it, unless the text begins with that token. Throws
  // core::Error(kInvalidModel) when no settings name the token.
  std::vector<int64_t> started_ids(const std::string& text, const generate::GenerationConfig& config) const;
  // Throws core::Error(kUsage) when there is a --task, for families that know none.
  static void refuse_task(const CaptionPrompt& prompt);
  int64_t reserve_positions(const generate::GenerationConfig& config, int64_t prompt_length);
  // Runs the image encoder; images of one shape go together where its graph takes several. For a decoder with
  // the image encoder inside it is the pixels themselves.
  session::EncoderOutput run_encoder(std::span<const image::PixelValues> images);
  // Plans for an image of the usual size, with everything noted as for a real one.
  session::EncoderOutput prepare_encoder();
  // Reads the longest sequence from the text model's settings.
  void read_positions(const nlohmann::json& text_config);

  std::filesystem::path dir_;
  LoadOptions options_;
  session::Device& device_;
  tokenizer::Tokenizer tokenizer_;
  image::PreprocessConfig preprocess_;
  GenerationSources sources_;
  int64_t positions_ = 0;  // that the decoder has or was trained for; 0: not told
  bool positions_are_table_ = true;
  std::unique_ptr<session::Session> encoder_;
  session::Program* encoder_program_ = nullptr;
  std::string states_name_;  // the encoder's output that the decoder reads
  // Of the images that run together; where only pixel values are given, those of these.
  std::vector<grounding::ImageSize> image_sizes_;
  std::unique_ptr<TextDecoder> decoder_;  // null when only the encoder was asked for
  std::vector<std::string> remarks_;
  std::vector<std::string> description_;

 private:
  struct Group;

  session::EncoderOutput prepare_images(std::span<const image::PixelValues> images);
  session::EncoderOutput write_pixels(std::span<const image::PixelValues> images);
  bool prepare_together(std::span<const image::PixelValues> images, session::EncoderOutput& output);
  void join(const session::EncoderOutput& part, size_t at, size_t count, session::EncoderOutput& joined);
  std::vector<Group> grouped(std::span<const image::Image> images, const CaptionPrompt& prompt) const;
  std::vector<CaptionResult> caption_group(const Group& group, const CaptionPrompt& prompt,
                                           const generate::GenerationConfig& config);
  std::vector<CaptionResult> caption_together(std::span<const image::PixelValues> images,
                                              const CaptionPrompt& prompt,
                                              const generate::GenerationConfig& config,
                                              const OnText& on_text);
  void remark(const std::string& line);

  // Pixels for a decoder with the image encoder inside, or the outputs of several runs of the encoder.
  std::shared_ptr<plan::Buffer> joined_;
  bool encoder_takes_batches_ = true;
  bool decoder_takes_batches_ = true;
};

// An encoder's output as the host sees it.
core::Tensor read_output(const session::EncoderOutput& output);

// The output that holds hidden states: by its usual names, else the first one of rank 3.
std::string hidden_states_of(const graph::Graph& encoder);

}  // namespace vulcap::loader
