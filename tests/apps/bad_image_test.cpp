// Broken image files fail with exit code 1, nothing on stdout and one line that names the file; odd but valid
// ones work.
#include <gtest/gtest.h>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

const fs::path kImages = kTestData / "images";

Outcome caption(Arguments files) {
  files.insert(files.begin(), {"caption", "--device", "cpu"});
  return run_vulcap(files, {}, std::chrono::seconds(60));
}

struct Case {
  const char* name;
  std::string file;   // as it is called
  std::string bytes;  // what is in it
  std::string reason;
};
void PrintTo(const Case& item, std::ostream* out) { *out << item.name; }

std::string half_of(const char* name) {
  const std::string bytes = read_file(kImages / name);
  return bytes.substr(0, bytes.size() / 2);
}

class BadImage : public ::testing::TestWithParam<Case> {};

TEST_P(BadImage, FailsWithExitCode1AndOneLine) {
  TempFolder folder;
  const fs::path file = folder / GetParam().file;
  write_file(file, GetParam().bytes);
  EXPECT_TRUE(refuses(caption({file.string()}), 1, {file.string(), GetParam().reason}));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadImage,
    ::testing::Values(
        Case{"TextNamedPng", "notes.png", "These are notes, not an image.\n", "not a PNG or JPEG"},
        Case{"Empty", "empty.png", "", "empty"}, Case{"OneByte", "one.jpg", "\xff", "truncated"},
        Case{"TruncatedPng", "half.png", half_of("scene_320x320.png"), "trunc"},
        Case{"TruncatedJpeg", "half.jpg", half_of("scene_640x427.jpg"), "trunc"},
        Case{"TruncatedProgressiveJpeg", "half.jpeg", half_of("scene_progressive.jpg"), "trunc"},
        Case{"PngSignatureAlone", "signature.png", read_file(kImages / "rgba.png").substr(0, 8), ""},
        Case{"JpegStartAlone", "start.jpg", read_file(kImages / "gray.jpg").substr(0, 4), ""},
        Case{"Webp", "photo.webp", std::string("RIFF\x24\0\0\0WEBPVP8 ", 16), "not a PNG or JPEG"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(BadImageFile, MissingIsNamed) {
  EXPECT_TRUE(refuses(caption({"/nonexistent/cat.png"}), 1, {"/nonexistent/cat.png", "no such file"}));
}

TEST(BadImageFile, FolderIsNamed) {
  EXPECT_TRUE(refuses(caption({kImages.string()}), 1, {kImages.string(), "folder"}));
}

TEST(BadImageFile, DeviceFileDoesNotHang) { EXPECT_TRUE(refuses(caption({"/dev/zero"}), 1, {"/dev/zero"})); }

TEST(BadImageFile, OthersOfTheRunAreCaptioned) {
  TempFolder folder;
  write_file(folder / "bad.png", "no image");
  const std::string good = kSampleImage.string();
  const std::string other = (kImages / "scene_640x427.jpg").string();
  const Outcome outcome = caption({good, (folder / "bad.png").string(), other, good});
  ASSERT_TRUE(exits(outcome, 1));
  const auto lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 3u) << outcome.out;
  EXPECT_TRUE(lines[0].starts_with(good + ": "));
  EXPECT_TRUE(lines[1].starts_with(other + ": "));
  EXPECT_EQ(lines[0], lines[2]);
  const auto errors = error_lines(outcome);
  ASSERT_EQ(errors.size(), 1u) << outcome.err;
  EXPECT_NE(errors[0].find("bad.png"), std::string::npos);
}

TEST(BadImageFile, JsonCarriesTheErrorOfTheImage) {
  TempFolder folder;
  write_file(folder / "bad.png", "no image");
  const Outcome outcome =
      caption({"--format", "jsonl", (folder / "bad.png").string(), kSampleImage.string()});
  ASSERT_TRUE(exits(outcome, 1));
  const auto lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 2u) << outcome.out;
  EXPECT_NE(lines[0].find("\"error\":"), std::string::npos) << lines[0];
  EXPECT_NE(lines[1].find("\"caption\":"), std::string::npos) << lines[1];
}

class OddImage : public ::testing::TestWithParam<const char*> {};

TEST_P(OddImage, IsCaptioned) {
  const Outcome outcome = caption({(kImages / GetParam()).string()});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_EQ(lines_of(outcome.out).size(), 1u);
  EXPECT_GT(outcome.out.size(), 10u);
  EXPECT_EQ(outcome.err, "");
}

INSTANTIATE_TEST_SUITE_P(Table, OddImage,
                         ::testing::Values("odd/rgb_1x1.png", "odd/rgb_1x1.jpg", "odd/rgb_20000x1.png",
                                           "odd/rgb_1x5000.png", "odd/rgb_3000x1.jpg", "cmyk.jpg",
                                           "gray16.png", "palette.png", "gray_alpha.png", "bilevel.png",
                                           "exif_rotated.jpg", "scene_progressive.jpg"),
                         [](const auto& test) {
                           std::string name;
                           for (char c : std::string(test.param))
                             name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
                           return name;
                         });

}  // namespace
}  // namespace vulcap::testing
