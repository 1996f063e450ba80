// GIT: the image's features are a prefix that a causal text decoder attends to as a whole. Follows
// transformers 4.57 GitForCausalLM.generate and, for prompts, the image-to-text pipeline: [CLS] and the text
// without [SEP]. Layouts: encoder_model (pixel_values -> features) and decoder_model (input_ids,
// encoder_hidden_states -> logits), which holds projection and prefix; or one graph of both.
#include "loader/families/captioner_base.h"
#include "loader/families/families.h"
#include "loader/families/model_folder.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

// What GitConfig takes where config.json does not say.
nlohmann::json with_defaults(nlohmann::json config) {
  for (const auto& [key, id] : {std::pair{"bos_token_id", 101}, {"eos_token_id", 102}, {"pad_token_id", 0}}) {
    if (!config.contains(key)) config[key] = id;
  }
  return config;
}

class Git : public CaptionerBase {
 public:
  Git(const std::filesystem::path& dir, const nlohmann::json& config, session::Device& device,
      const LoadOptions& options)
      : CaptionerBase(dir, with_defaults(config), device, options, "CLIPImageProcessor") {
    read_positions(config);
    if (positions_ == 0) positions_ = 1024;  // as GitConfig
    load_graphs(ModelFiles(dir, options.dtype));
  }

 private:
  std::vector<int64_t> prompt_ids(const CaptionPrompt& prompt,
                                  const generate::GenerationConfig& config) override {
    if (!asks(prompt)) refuse_task(prompt);
    const auto cls = prompt.text.empty() ? std::nullopt : tokenizer_.special_id("cls_token");
    std::vector<int64_t> ids = cls ? std::vector<int64_t>{int64_t(*cls)} : started_ids("", config);
    const tokenizer::Encoding text = tokenizer_.encode(prompt.text, false);
    ids.insert(ids.end(), text.ids.begin(), text.ids.end());
    prompt_length_ = ids.size();
    return ids;
  }

  // A caption holds what it began with; an answer does not hold the question.
  Caption make_caption(const generate::Sequence& sequence, const CaptionPrompt& prompt,
                       size_t image) const override {
    Caption caption = CaptionerBase::make_caption(sequence, prompt, image);
    if (asks(prompt)) caption.text = tokenizer_.decode(std::span(sequence.ids).subspan(prompt_length_));
    return caption;
  }

  static bool asks(const CaptionPrompt& prompt) { return prompt.task == "vqa" && !prompt.text.empty(); }

  size_t prompt_length_ = 0;
};

}  // namespace

std::unique_ptr<Captioner> load_git(const std::filesystem::path& dir, const nlohmann::json& config,
                                    session::Device& device, const LoadOptions& options) {
  return std::make_unique<Git>(dir, config, device, options);
}

}  // namespace vulcap::loader
