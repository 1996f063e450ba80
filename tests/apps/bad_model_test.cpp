// Broken model folders: each is refused with exit code 3, nothing on stdout and one line that names the file
// and the reason.
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

const fs::path kParts = kTestData / "apps";  // made by tests/generators/broken_models.py

Outcome caption(const fs::path& model) {
  return run_vulcap({"caption", "-m", model.string(), "--device", "cpu", kSampleImage.string()}, {},
                    std::chrono::seconds(60));
}

std::string noise(size_t size) {
  std::mt19937 random(71);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = char(random());
  return bytes;
}

void use_encoder(const fs::path& model, const std::string& name) {
  write_file(model / "encoder_model.onnx", read_file(kParts / name));
}
void use_decoder(const fs::path& model, const std::string& name) {
  write_file(model / "decoder_model_merged.onnx", read_file(kParts / name));
}

constexpr size_t kExternalBytes = 48 * 48 * 4;

struct Case {
  const char* name;
  std::function<void(const fs::path& model)> spoil;
  std::vector<std::string> parts;
};
void PrintTo(const Case& item, std::ostream* out) { *out << item.name; }

std::string name_of(const ::testing::TestParamInfo<Case>& info) { return info.param.name; }

class BadModel : public ::testing::TestWithParam<Case> {};

TEST_P(BadModel, IsRefusedWithExitCode3AndOneLine) {
  TempFolder folder;
  const fs::path model = folder / "outer/model";
  copy_tiny_model(model);
  GetParam().spoil(model);
  EXPECT_TRUE(refuses(caption(model), 3, GetParam().parts));
}

const char* const kEncoder = "encoder_model.onnx";
const char* const kDecoder = "decoder_model_merged.onnx";

INSTANTIATE_TEST_SUITE_P(
    Files, BadModel,
    ::testing::Values(
        Case{"NoFolder", [](const fs::path& m) { fs::remove_all(m); }, {"model", "not a folder"}},
        Case{"FileForFolder",
             [](const fs::path& m) {
               fs::remove_all(m);
               write_file(m, "x");
             },
             {"model", "folder"}},
        Case{"NoEncoder", [](const fs::path& m) { fs::remove(m / kEncoder); }, {"no image encoder"}},
        Case{"NoDecoder", [](const fs::path& m) { fs::remove(m / kDecoder); }, {"no text decoder"}},
        Case{"NoOnnxAtAll",
             [](const fs::path& m) {
               fs::remove(m / kDecoder);
               fs::remove(m / kEncoder);
             },
             {"no .onnx file"}},
        Case{"EmptyEncoder", [](const fs::path& m) { write_file(m / kEncoder, ""); }, {kEncoder, "is empty"}},
        Case{"EmptyDecoder", [](const fs::path& m) { write_file(m / kDecoder, ""); }, {kDecoder, "is empty"}},
        Case{"TruncatedEncoder",
             [](const fs::path& m) { write_file(m / kEncoder, read_file(m / kEncoder).substr(0, 100000)); },
             {kEncoder, "ends too early"}},
        Case{"TruncatedDecoder",
             [](const fs::path& m) { write_file(m / kDecoder, read_file(m / kDecoder).substr(0, 777)); },
             {kDecoder, "ends too early"}},
        Case{"RandomEncoder",
             [](const fs::path& m) { write_file(m / kEncoder, noise(5000)); },
             {kEncoder, "damaged"}},
        Case{"RandomDecoder", [](const fs::path& m) { write_file(m / kDecoder, noise(77)); }, {kDecoder}},
        Case{"TextForOnnx",
             [](const fs::path& m) { write_file(m / kEncoder, "<html>404 not found</html>\n"); },
             {kEncoder}},
        Case{"LfsPointer",
             [](const fs::path& m) {
               write_file(m / kEncoder,
                          "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
             },
             {kEncoder, "Git LFS pointer"}},
        Case{"FolderForOnnx",
             [](const fs::path& m) {
               fs::remove(m / kEncoder);
               fs::create_directory(m / kEncoder);
             },
             {"no image encoder"}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    ExternalData, BadModel,
    ::testing::Values(Case{"Missing",
                           [](const fs::path& m) { use_encoder(m, "encoder_external.onnx"); },
                           {kEncoder, "weights.bin", "cannot be found"}},
                      Case{"Short",
                           [](const fs::path& m) {
                             use_encoder(m, "encoder_external.onnx");
                             write_file(m / "weights.bin", std::string(kExternalBytes - 1, '\0'));
                           },
                           {kEncoder, "weights.bin", "too short"}},
                      Case{"ThroughDotDot",
                           [](const fs::path& m) {
                             use_encoder(m, "encoder_escaping.onnx");
                             write_file(m.parent_path() / "weights.bin", std::string(kExternalBytes, '\0'));
                           },
                           {kEncoder, "../weights.bin", "relative path without"}},
                      Case{"AbsolutePath",
                           [](const fs::path& m) { use_encoder(m, "encoder_absolute.onnx"); },
                           {kEncoder, "/etc/passwd", "relative path without"}},
                      Case{"ThroughSymlink",
                           [](const fs::path& m) {
                             use_encoder(m, "encoder_external.onnx");
                             write_file(m.parent_path() / "elsewhere.bin", std::string(kExternalBytes, '\0'));
                             fs::create_symlink(m.parent_path() / "elsewhere.bin", m / "weights.bin");
                           },
                           {kEncoder, "weights.bin", "out of the model's folder"}},
                      Case{"Folder",
                           [](const fs::path& m) {
                             use_encoder(m, "encoder_external.onnx");
                             fs::create_directory(m / "weights.bin");
                           },
                           {kEncoder, "weights.bin"}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Settings, BadModel,
    ::testing::Values(
        Case{"NoConfig",
             [](const fs::path& m) { fs::remove(m / "config.json"); },
             {"config.json", "not found"}},
        Case{"NoPreprocessor",
             [](const fs::path& m) { fs::remove(m / "preprocessor_config.json"); },
             {"preprocessor_config.json", "not found"}},
        Case{"NoTokenizer",
             [](const fs::path& m) {
               for (const char* name : {"tokenizer.json", "vocab.json", "merges.txt"}) fs::remove(m / name);
             },
             {"tokenizer.json"}},
        Case{"BrokenConfig",
             [](const fs::path& m) { write_file(m / "config.json", "{\"model_type\": "); },
             {"config.json", "not valid JSON"}},
        Case{"BrokenGenerationConfig",
             [](const fs::path& m) { write_file(m / "generation_config.json", "{]"); },
             {"generation_config.json", "not valid JSON"}},
        Case{"BrokenPreprocessor",
             [](const fs::path& m) { write_file(m / "preprocessor_config.json", "nul"); },
             {"preprocessor_config.json", "not valid JSON"}},
        Case{"BrokenTokenizer",
             [](const fs::path& m) { write_file(m / "tokenizer.json", "{\"model\": {"); },
             {"tokenizer.json", "not valid JSON"}},
        Case{"BrokenTokenizerConfig",
             [](const fs::path& m) { write_file(m / "tokenizer_config.json", "{,}"); },
             {"tokenizer_config.json", "not valid JSON"}},
        Case{"ArrayForConfig",
             [](const fs::path& m) { write_file(m / "config.json", "[]"); },
             {"config.json", "object"}},
        Case{"NumberForTokenizer",
             [](const fs::path& m) { write_file(m / "tokenizer.json", "7"); },
             {"tokenizer.json", "object"}},
        Case{"DeeplyNestedConfig",
             [](const fs::path& m) { write_file(m / "config.json", std::string(100000, '[')); },
             {"config.json"}},
        Case{"NoModelType",
             [](const fs::path& m) { write_file(m / "config.json", "{}"); },
             {"config.json", "model_type"}},
        Case{"UnknownModelType",
             [](const fs::path& m) { write_file(m / "config.json", R"({"model_type": "blap"})"); },
             {"config.json", "blap", "supported"}},
        Case{"NumberForModelType",
             [](const fs::path& m) { write_file(m / "config.json", R"({"model_type": 7})"); },
             {"config.json", "model_type"}},
        Case{"TokenizerWithoutVocabulary",
             [](const fs::path& m) {
               write_file(m / "tokenizer.json",
                          R"({"version": "1.0", "model": {"type": "BPE", "merges": []}})");
             },
             {"tokenizer.json", "vocab", "missing"}},
        Case{"TokenizerWithEmptyVocabulary",
             [](const fs::path& m) {
               write_file(m / "tokenizer.json",
                          R"({"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": []}})");
             },
             {"tokenizer.json", "vocab"}},
        Case{"PreprocessorWithoutSize",
             [](const fs::path& m) {
               write_file(m / "preprocessor_config.json",
                          R"({"do_resize": true, "size": {"height": -4, "width": 0}})");
             },
             {"preprocessor_config.json", "size"}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Graphs, BadModel,
    ::testing::Values(Case{"DecoderWithoutIds",
                           [](const fs::path& m) { use_decoder(m, "decoder_without_ids.onnx"); },
                           {kDecoder, "lacks the input input_ids"}},
                      Case{"DecoderWithoutStates",
                           [](const fs::path& m) { use_decoder(m, "decoder_without_states.onnx"); },
                           {kDecoder, "lacks the input encoder_hidden_states"}},
                      Case{"DecoderWithoutPastValue",
                           [](const fs::path& m) { use_decoder(m, "decoder_without_past_value.onnx"); },
                           {kDecoder, "past_key_values.0.value"}},
                      Case{"UnsupportedOperators",
                           [](const fs::path& m) { use_encoder(m, "encoder_unsupported.onnx"); },
                           {kEncoder, "com.acme::Twist", "'twist_node'", "com.acme::Twine", "'twine_node'",
                            "ai.onnx::RandomNormalLike", "opset 17"}}),
    name_of);

// The same parts in good order work, so that the refusals above are for the faults alone.
TEST(GoodModel, ExternalDataBesideTheFile) {
  TempFolder folder;
  copy_tiny_model(folder.path());
  use_encoder(folder.path(), "encoder_external.onnx");
  write_file(folder / "weights.bin", std::string(kExternalBytes, '\1'));
  EXPECT_TRUE(exits(caption(folder.path()), 0));
}

TEST(GoodModel, ExternalDataThroughSymlinkInsideTheFolder) {
  TempFolder folder;
  copy_tiny_model(folder.path());
  use_encoder(folder.path(), "encoder_external.onnx");
  write_file(folder / "blobs/b1", std::string(kExternalBytes, '\1'));
  fs::create_symlink("blobs/b1", folder / "weights.bin");
  EXPECT_TRUE(exits(caption(folder.path()), 0));
}

TEST(GoodModel, DecoderWithoutCache) {
  TempFolder folder;
  copy_tiny_model(folder.path());
  use_decoder(folder.path(), "decoder_plain.onnx");
  const Outcome outcome = caption(folder.path());
  EXPECT_TRUE(exits(outcome, 0));
  EXPECT_FALSE(outcome.out.empty());
}

// optimum's layout (two decoders, flat), the onnx-community layout (merged, in onnx/) and each decoder give
// one caption.
TEST(GoodModel, LayoutsGiveTheSameCaption) {
  TempFolder folder;
  const fs::path flat = folder / "flat";
  copy_tiny_model(flat);
  const Outcome merged = caption(flat);
  ASSERT_TRUE(exits(merged, 0));

  const fs::path nested = folder / "nested";
  copy_tiny_model(nested);
  fs::create_directory(nested / "onnx");
  for (const char* name : {kEncoder, kDecoder}) fs::rename(nested / name, nested / "onnx" / name);
  EXPECT_EQ(caption(nested).out, merged.out);

  const fs::path two = folder / "two";
  copy_tiny_model(two);
  fs::remove(two / kDecoder);
  for (const char* name : {"decoder_model.onnx", "decoder_with_past_model.onnx"})
    write_file(two / name, read_file(kTinyModel / name));
  EXPECT_EQ(caption(two).out, merged.out);
  fs::remove(two / "decoder_with_past_model.onnx");
  EXPECT_EQ(caption(two).out, merged.out);
}

TEST(BadDtype, MissingVariantNamesWhatWasFound) {
  EXPECT_TRUE(refuses(run_vulcap({"caption", "--device", "cpu", "--dtype", "bnb4", kSampleImage.string()}), 3,
                      {"scenes-vit-gpt2", "bnb4", "encoder_model.onnx", "encoder_model_fp16.onnx"}));
}

}  // namespace
}  // namespace vulcap::testing
