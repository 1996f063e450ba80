// Image (and prompt) -> text.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "loader/grounding/answer.h"
#include "loader/image/preprocess.h"
#include "loader/tasks/load_options.h"
#include "runtime/generate/config.h"
#include "runtime/session/program.h"

namespace vulcap::loader {

// Seconds.
struct CaptionTiming {
  double preprocess = 0;
  double encode = 0;          // encoder and everything that depends on its output alone
  double prefill = 0;         // the prompt
  std::vector<double> steps;  // one a token
  double detokenize = 0;
  double total = 0;  // from the decoded image to the text
};

// What is asked about the image; both may be empty.
struct CaptionPrompt {
  std::string text;  // a start of the caption, a question or an instruction, as the family takes it
  std::string task;  // a task that the family knows, "od" or "<OD>"
};

struct Caption {
  std::string text;
  std::vector<int64_t> ids;  // as transformers.generate returns them: start tokens and padding included
  std::optional<float> score;
  int64_t new_tokens = 0;  // of `ids`, those that were generated, the end token included
  // Where a task was asked for: what the text says once it is parsed.
  std::optional<grounding::Answer> answer = std::nullopt;
};

struct CaptionResult {
  std::vector<Caption> captions;  // num_return_sequences of them, best first
  CaptionTiming timing;
  int64_t prompt_tokens = 0;  // that generation started from, places of image features included
};

using OnText = std::function<void(const std::string&)>;

class Captioner {
 public:
  virtual ~Captioner() = default;

  // The folder's settings with `flags` over them; lines for fields that are not honoured go to `warnings`.
  virtual generate::GenerationConfig generation_config(const GenerationFlags& flags,
                                                       std::vector<std::string>& warnings) const = 0;
  // `on_text` receives pieces of the caption as they come (greedy only); may be empty. Throws core::Error;
  // kUsage for a prompt that the family does not take.
  virtual CaptionResult caption(const image::Image& image, const CaptionPrompt& prompt,
                                const generate::GenerationConfig& config, const OnText& on_text = {}) = 0;
  // One result an image, each as caption() gives it alone; images of one size run together. A failure of one
  // is the failure of the call. Times of the common parts are shared out evenly.
  virtual std::vector<CaptionResult> caption_batch(std::span<const image::Image> images,
                                                   const CaptionPrompt& prompt,
                                                   const generate::GenerationConfig& config) = 0;
  // As caption(), from ready pixel values f32[3, height, width].
  virtual CaptionResult caption_pixels(const image::PixelValues& pixels, const CaptionPrompt& prompt,
                                       const generate::GenerationConfig& config,
                                       const OnText& on_text = {}) = 0;
  // Makes plans and uploads weights, so that the first caption takes no longer than the next. Runs nothing.
  virtual void prepare(const generate::GenerationConfig& config) = 0;
  // Runs the image encoder alone, and what depends on its output alone; the result stays on the device.
  virtual void encode(const image::PixelValues& pixels) = 0;
  // Height and width of the pixel values that the folder's settings produce from a square image.
  virtual std::pair<int, int> input_size() const = 0;
  // Files in use, "role: path (dtype)", and remarks about the folder's settings.
  virtual std::vector<std::string> description() const = 0;
  virtual std::vector<std::string> warnings() const = 0;
  // In the plans made so far.
  virtual Fallbacks fallbacks() const = 0;
};

// Whether config.json names a family that captions. Throws core::Error(kInvalidModel) where it cannot be
// read.
bool is_captioner(const std::filesystem::path& dir);

// Reads config.json for the family. Throws core::Error(kInvalidModel) for a folder that cannot be used.
std::unique_ptr<Captioner> load_captioner(const std::filesystem::path& dir, session::Device& device,
                                          const LoadOptions& options);

}  // namespace vulcap::loader
