#include "loader/conversion/quantization/search.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>

#include "runtime/core/error.h"
#include "runtime/session/open_device.h"

namespace vulcap::quantization {
namespace {

namespace fs = std::filesystem;

const fs::path kScenes = fs::path(VULCAP_SOURCE_DIR) / "models/scenes-vit-gpt2";

class Searching : public ::testing::Test {
 protected:
  SearchRequest request(double max_change, std::vector<Format> formats) {
    SearchRequest request{kScenes, conversion::Samples::read(kScenes / "expected/images", 6)};
    request.max_change = max_change;
    request.formats = std::move(formats);
    request.on_trial = [this](const Trial& trial) { trials_.push_back(trial); };
    return request;
  }
  session::Device& device() { return *opened_.device; }

  std::vector<Trial> trials_;

 private:
  session::OpenedDevice opened_ = session::open_device({"cpu", 2});
};

TEST_F(Searching, TheSmallestMixThatKeepsTheAnswersWins) {
  const Trial best = smallest_mix(request(0, {Format::kQ4, Format::kInt8, Format::kFp16}), device());
  EXPECT_TRUE(best.keeps);
  EXPECT_EQ(best.changed, 0u);
  ASSERT_EQ(best.mix.size(), 2u);
  for (const Trial& trial : trials_) {
    if (trial.keeps) {
      EXPECT_GE(trial.bytes, best.bytes);
    }
  }
  EXPECT_TRUE(best.mix[0].format || best.mix[1].format);
}

TEST_F(Searching, FilesThatGiveNoAnswersStay) {
  const fs::path folder = fs::path(VULCAP_TEST_DATA) / "vit-gpt2";
  SearchRequest wanted{folder, conversion::Samples::read(fs::path(VULCAP_TEST_DATA) / "images", 3)};
  wanted.max_change = 1;
  wanted.formats = {Format::kQ4F16};
  std::set<std::string> unused, shrunk;
  wanted.on_unused = [&](const fs::path& file) { unused.insert(file.stem().string()); };
  for (const Choice& choice : smallest_mix(wanted, device()).mix)
    if (choice.format) shrunk.insert(choice.file.stem().string());
  EXPECT_EQ(unused, (std::set<std::string>{"decoder_model", "decoder_with_past_model"}));
  EXPECT_EQ(shrunk, (std::set<std::string>{"decoder_model_merged", "encoder_model"}));
}

TEST_F(Searching, ScratchFilesGoAway) {
  smallest_mix(request(1, {Format::kFp16}), device());
  for (const auto& entry : fs::directory_iterator(fs::temp_directory_path()))
    EXPECT_EQ(entry.path().filename().string().find("vulcap-search-" + std::to_string(getpid())),
              std::string::npos)
        << entry.path();
}

TEST_F(Searching, ModelsThatGiveNoTextAreRefused) {
  const fs::path clip = fs::path(VULCAP_TEST_DATA) / "families/sentence-bert-cls";
  SearchRequest wanted{clip, conversion::Samples::read(fs::path(VULCAP_SOURCE_DIR) / "README.md", 2)};
  EXPECT_THROW(smallest_mix(wanted, device()), core::Error);
}

}  // namespace
}  // namespace vulcap::quantization
