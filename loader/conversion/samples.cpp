#include "loader/conversion/samples.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "loader/families/text_encoder.h"
#include "loader/image/decode.h"
#include "loader/image/image_files.h"
#include "loader/tasks/embedder.h"
#include "loader/tasks/image_classifier.h"
#include "loader/tasks/text_generator.h"
#include "runtime/core/error.h"

namespace vulcap::conversion {
namespace {

namespace fs = std::filesystem;
using loader::LoadOptions;

[[noreturn]] void refuse(const std::string& message) { throw core::Error(core::ErrorCode::kUsage, message); }

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream file(path);
  if (!file) refuse(path.string() + ": cannot be read; give a folder of images or a text file");
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

class CaptionerSamples : public SampleModel {
 public:
  CaptionerSamples(const fs::path& dir, session::Device& device, const LoadOptions& options,
                   loader::CaptionPrompt prompt)
      : captioner_(loader::load_captioner(dir, device, options)), prompt_(std::move(prompt)) {
    std::vector<std::string> warnings;
    config_ = captioner_->generation_config({}, warnings);
  }

  std::string answer(const std::string& sample) override {
    return captioner_->caption(image::decode_file(sample), prompt_, config_).captions.at(0).text;
  }

 private:
  std::unique_ptr<loader::Captioner> captioner_;
  loader::CaptionPrompt prompt_;
  generate::GenerationConfig config_;
};

class ImageClassifierSamples : public SampleModel {
 public:
  ImageClassifierSamples(const fs::path& dir, session::Device& device, const LoadOptions& options)
      : classifier_(dir, device, options) {}

  std::string answer(const std::string& sample) override {
    return classifier_.classify(image::decode_file(sample), {}).at(0).label;
  }

 private:
  loader::ImageClassifier classifier_;
};

class EmbedderSamples : public SampleModel {
 public:
  EmbedderSamples(const fs::path& dir, session::Device& device, const LoadOptions& options)
      : embedder_(loader::load_embedder(dir, device, options)) {}

  std::string answer(const std::string& sample) override {
    embedder_->embed_image(image::decode_file(sample));
    return "";
  }
  bool speaks() const override { return false; }

 private:
  std::unique_ptr<loader::Embedder> embedder_;
};

class GeneratorSamples : public SampleModel {
 public:
  GeneratorSamples(const fs::path& dir, session::Device& device, const LoadOptions& options)
      : generator_(loader::load_text_generator(dir, device, options)) {
    std::vector<std::string> warnings;
    config_ = generator_->generation_config({}, warnings);
  }

  std::string answer(const std::string& sample) override {
    loader::TextRequest request;
    request.prompts = {sample};
    return generator_->generate(request, config_).texts.at(0).at(0).new_text;
  }

 private:
  std::unique_ptr<loader::TextGenerator> generator_;
  generate::GenerationConfig config_;
};

class TextEncoderSamples : public SampleModel {
 public:
  TextEncoderSamples(const fs::path& dir, session::Device& device, const LoadOptions& options)
      : encoder_(loader::ModelFiles(dir, options.dtype, options.file), {"text encoder", {}}, device,
                 options) {}

  std::string answer(const std::string& sample) override {
    loader::TokenizeOptions whole;
    whole.truncation = loader::truncation_named("longest_first");
    encoder_.run(encoder_.encode(sample, "", whole));
    return "";
  }
  bool speaks() const override { return false; }

 private:
  loader::TextEncoder encoder_;
};

bool classifies_images(const fs::path& dir, const LoadOptions& options) {
  return loader::ModelFiles(dir, options.dtype, options.file)
      .find(loader::image_classifier_role())
      .has_value();
}

}  // namespace

Samples Samples::read(const fs::path& path, size_t limit) {
  Samples samples;
  samples.images_ = fs::is_directory(path);
  if (samples.images_) {
    for (const fs::path& file : image::image_files(path)) samples.items_.push_back(file.string());
    if (samples.items_.empty()) refuse(path.string() + ": the folder has no PNG or JPEG files");
  } else {
    if (!fs::exists(path)) refuse(path.string() + ": no such folder of images or text file");
    samples.items_ = lines_of(path);
    if (samples.items_.empty()) refuse(path.string() + ": the text file has no lines");
  }
  samples.items_.resize(std::min(samples.items_.size(), limit));
  return samples;
}

std::unique_ptr<SampleModel> load_sample_model(const fs::path& dir, session::Device& device,
                                               const LoadOptions& options, const Samples& samples,
                                               const loader::CaptionPrompt& prompt) {
  if (loader::is_captioner(dir)) {
    if (!samples.are_images()) refuse(dir.string() + " captions images: give a folder of images, not a text");
    return std::make_unique<CaptionerSamples>(dir, device, options, prompt);
  }
  if (samples.are_images()) {
    if (classifies_images(dir, options))
      return std::make_unique<ImageClassifierSamples>(dir, device, options);
    return std::make_unique<EmbedderSamples>(dir, device, options);
  }
  // Exports of models that generate come with this file.
  if (fs::exists(dir / "generation_config.json"))
    return std::make_unique<GeneratorSamples>(dir, device, options);
  return std::make_unique<TextEncoderSamples>(dir, device, options);
}

}  // namespace vulcap::conversion
