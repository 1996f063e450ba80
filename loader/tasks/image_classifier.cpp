#include "loader/tasks/image_classifier.h"

#include "loader/families/encoder_inputs.h"
#include "loader/families/model_folder.h"
#include "loader/read_json.h"

namespace vulcap::loader {
namespace {

// The processor that AutoImageProcessor takes where preprocessor_config.json names none.
std::string default_processor(const std::string& type) {
  struct Default {
    const char* types;  // each between spaces
    const char* processor;
  };
  constexpr Default kDefaults[] = {
      {" vit vit_msn swin swinv2 swiftformer ", "ViTImageProcessor"},
      {" deit ", "DeiTImageProcessor"},
      {" beit data2vec-vision ", "BeitImageProcessor"},
      {" bit dinov2 focalnet hiera ", "BitImageProcessor"},
      {" resnet convnext convnextv2 cvt regnet van ", "ConvNextImageProcessor"},
      {" mobilenet_v1 ", "MobileNetV1ImageProcessor"},
      {" mobilenet_v2 ", "MobileNetV2ImageProcessor"},
      {" pvt pvt_v2 ", "PvtImageProcessor"},
  };
  for (const Default& entry : kDefaults) {
    if (std::string_view(entry.types).find(" " + type + " ") != std::string_view::npos)
      return entry.processor;
  }
  return "";
}

std::string refusal(const onnx::GraphSignature& graph) {
  if (!has_value(graph.inputs, "pixel_values")) return "lacks the input pixel_values";
  if (graph.inputs.size() > 1) return "takes more inputs than pixel_values";
  for (const auto& output : graph.outputs) {
    if (output.name != "logits") continue;
    return output.has_shape && output.shape.size() != 2 ? "gives logits of another rank than 2" : "";
  }
  return "lacks the output logits";
}

}  // namespace

Role image_classifier_role() { return {"image classifier (pixel_values -> logits)", {"model"}, refusal}; }

ImageClassifier::ImageClassifier(const std::filesystem::path& dir, session::Device& device,
                                 const LoadOptions& options) {
  const nlohmann::json config = read_config(dir);
  const auto preprocessor = dir / "preprocessor_config.json";
  preprocess_ = image::parse_preprocess_config(read_json_object(preprocessor), preprocessor.string(),
                                               default_processor(model_type(config)));
  labels_ = read_label_set(config, "image-classification", (dir / "config.json").string());
  const Role role = image_classifier_role();
  const OnnxFile file = ModelFiles(dir, options.dtype).require(role);
  warnings_ = preprocess_.warnings;
  if (!file.remark.empty()) warnings_.push_back(file.remark);
  description_ = describe_file(role.name, file, options);
  session_ = std::make_unique<session::Session>(device, load_graph(file, options), passes_for(file, options));
}

std::vector<LabelScore> ImageClassifier::classify(const image::Image& image,
                                                  const ImageClassifyOptions& options) {
  const image::PixelValues pixels = image::preprocess(image, preprocess_);
  const core::Tensor logits =
      session_->run(encoder_inputs(session_->graph(), {&pixels, 1}, preprocess_)).at("logits");
  std::vector<float> values(logits.size());
  for (size_t i = 0; i < values.size(); ++i) values[i] = float(logits.at_f64(i));
  check_label_count(labels_, values.size());
  return ranked(labels_.names, apply_function(options.function.value_or(labels_.function), values),
                options.top_k);
}

Fallbacks ImageClassifier::fallbacks() const { return count_fallbacks(session_->plans()); }

}  // namespace vulcap::loader
