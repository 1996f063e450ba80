// Images in batches get the captions that they get one by one: the same ids and texts for every family, with
// beams, n-best and sampling, for images of several sizes, on each device.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "loader/image/decode.h"
#include "loader/tasks/captioner.h"
#include "runtime/core/error.h"
#include "runtime/session/open_device.h"

namespace vulcap::loader {
namespace {

namespace fs = std::filesystem;

struct Family {
  const char* folder;
  const char* prompt;
  const char* task;
  // Families whose image encoder sees one image at a time; captions are batched all the same.
  bool encodes_alone = false;
  friend void PrintTo(const Family& family, std::ostream* out) { *out << family.folder << family.task; }
};

std::vector<image::Image> images() {
  std::vector<image::Image> all;
  for (const char* name : {"drawing_33x33.png", "drawing_64x120.jpg", "drawing_97x64.png", "gray_80x50.png",
                           "scene_320x320.png", "drawing_33x33.png", "scene_640x427.jpg"})
    all.push_back(image::decode_file(fs::path(VULCAP_TEST_DATA) / "families" / "images" / name));
  return all;
}

class Batches : public testing::TestWithParam<std::tuple<Family, std::string>> {
 protected:
  void SetUp() override {
    const std::string& device = std::get<1>(GetParam());
    if (device == "vulkan" && std::getenv("VULCAP_TESTS_WITHOUT_VULKAN") != nullptr)
      GTEST_SKIP() << "VULCAP_TESTS_WITHOUT_VULKAN is set";
    session::DeviceRequest request;
    request.device = device;
    opened_ = session::open_device(request);
    const Family& family = std::get<0>(GetParam());
    prompt_ = {family.prompt, family.task};
    const std::string folder = family.folder;
    const fs::path dir = folder.starts_with("models/") ? fs::path(VULCAP_SOURCE_DIR) / folder
                                                       : fs::path(VULCAP_TEST_DATA) / "families" / folder;
    captioner_ = load_captioner(dir, *opened_.device, {});
  }

  void expect_same(const GenerationFlags& flags, const std::string& what) {
    std::vector<std::string> warnings;
    const auto config = captioner_->generation_config(flags, warnings);
    const std::vector<image::Image> all = images();
    const auto together = captioner_->caption_batch(all, prompt_, config);
    ASSERT_EQ(together.size(), all.size());
    for (size_t i = 0; i < all.size(); ++i) {
      const CaptionResult alone = captioner_->caption(all[i], prompt_, config);
      ASSERT_EQ(together[i].captions.size(), alone.captions.size()) << what;
      for (size_t j = 0; j < alone.captions.size(); ++j) {
        EXPECT_EQ(together[i].captions[j].ids, alone.captions[j].ids) << what << ", image " << i;
        EXPECT_EQ(together[i].captions[j].text, alone.captions[j].text) << what << ", image " << i;
        EXPECT_NEAR(together[i].captions[j].score.value_or(0), alone.captions[j].score.value_or(0), 1e-4)
            << what << ", image " << i;
      }
    }
  }

  session::OpenedDevice opened_;
  std::unique_ptr<Captioner> captioner_;
  CaptionPrompt prompt_;
};

TEST_P(Batches, GiveTheCaptionsOfImagesAlone) {
  expect_same({{"max-new-tokens", "12"}, {"num-beams", "1"}}, "greedy");
  expect_same({{"max-new-tokens", "8"}, {"num-beams", "3"}, {"num-return-sequences", "2"}}, "beams");
  expect_same({{"max-new-tokens", "8"},
               {"num-beams", "1"},
               {"do-sample", "true"},
               {"seed", "5"},
               {"num-return-sequences", "2"}},
              "sampling");
  for (const std::string& line : captioner_->warnings()) {
    EXPECT_EQ(line.find("run one by one"), std::string::npos) << line;
    if (std::get<0>(GetParam()).encodes_alone) continue;
    EXPECT_EQ(line.find("one image at a time"), std::string::npos) << line;
  }
}

constexpr Family kFamilies[] = {
    {"models/scenes-vit-gpt2", "", ""},
    {"blip", "", ""},
    {"blip-whole", "a photo", ""},
    {"blip-vqa", "what is this", ""},
    {"git", "", ""},
    {"git-whole", "a photo", ""},
    {"florence2", "", "caption"},
    {"florence2", "3,3,20,20", "region-to-category"},
    {"florence2-pair", "", "od"},
    {"llava", "", ""},
    {"moondream", "what is this?", ""},
    {"paligemma", "caption en", ""},
    {"idefics3", "", ""},
    {"qwen2-vl", "", "", true},
    {"prefix-vlm", "", ""},
    {"prefix-vlm-cached", "", ""},
};

INSTANTIATE_TEST_SUITE_P(Families, Batches,
                         testing::Combine(testing::ValuesIn(kFamilies), testing::Values("cpu", "vulkan")),
                         [](const auto& test) {
                           const Family& family = std::get<0>(test.param);
                           std::string name =
                               std::string(family.folder) + "_" + family.task + "_" + std::get<1>(test.param);
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return !isalnum(c); }, '_');
                           return name;
                         });

}  // namespace
}  // namespace vulcap::loader
