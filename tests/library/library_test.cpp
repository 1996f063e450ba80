// The C interface: what the program does, through vulcap.h; and the library as another project finds it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "loader/image/decode.h"
#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"
#include "vulcap/vulcap.hpp"

namespace vulcap::testing {
namespace {

std::string caption_of_program(const Arguments& more = {}) {
  Arguments arguments = {"caption", "-m", kTinyModel.string(), "--device", "cpu", kSampleImage.string()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Outcome outcome = run_vulcap(arguments);
  EXPECT_TRUE(exits(outcome, 0));
  return outcome.out.substr(0, outcome.out.find('\n'));
}

TEST(Library, CaptionsAsTheProgram) {
  Device device("cpu");
  EXPECT_TRUE(device.name().starts_with("cpu")) << device.name();
  Captioner captioner(device, kTinyModel.string());
  const Image image(kSampleImage.string());
  EXPECT_EQ(captioner.caption(image).at(0).text, caption_of_program());
  Request beams;
  beams.settings = {{"num_beams", "3"}, {"num_return_sequences", "2"}};
  const auto captions = captioner.caption(image, beams);
  ASSERT_EQ(captions.size(), 2u);
  EXPECT_FALSE(std::isnan(captions[0].score));
  EXPECT_EQ(captions[0].text, caption_of_program({"--num-beams", "3"}));
}

TEST(Library, TextComesInPiecesAndStops) {
  Captioner captioner(Device("cpu"), kTinyModel.string());  // outlives its device's handle
  const Image image(kSampleImage.string());
  std::string pieces;
  Request request;
  request.on_text = [&](const std::string& piece) { return pieces += piece, true; };
  EXPECT_EQ(captioner.caption(image, request).at(0).text, pieces);
  request.on_text = [](const std::string&) { return false; };
  try {
    captioner.caption(image, request);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), VULCAP_STOPPED);
  }
  EXPECT_EQ(captioner.caption(image).at(0).text, pieces) << "usable after a stop";
}

TEST(Library, PixelsBytesAndBatches) {
  Device device("cpu");
  vulcap_captioner* captioner = nullptr;
  ASSERT_EQ(vulcap_captioner_load(device.get(), kTinyModel.c_str(), nullptr, &captioner), VULCAP_OK);
  const image::Image pixels = image::decode_file(kSampleImage);
  const size_t row = size_t(pixels.width) * 3, stride = row + 7;
  std::vector<uint8_t> padded(stride * size_t(pixels.height), 9);
  for (size_t y = 0; y < size_t(pixels.height); ++y)
    std::copy_n(&pixels.rgb[y * row], row, &padded[y * stride]);
  const std::string file = read_file(kSampleImage);
  vulcap_image *from_rows = nullptr, *from_bytes = nullptr;
  ASSERT_EQ(vulcap_image_from_rgb(padded.data(), pixels.width, pixels.height, stride, &from_rows), VULCAP_OK);
  ASSERT_EQ(vulcap_image_decode(file.data(), file.size(), &from_bytes), VULCAP_OK);
  const vulcap_image* images[] = {from_rows, from_bytes};
  vulcap_result* results[2] = {};
  ASSERT_EQ(vulcap_caption_batch(captioner, images, 2, nullptr, results), VULCAP_OK);
  for (vulcap_result* result : results) {
    EXPECT_EQ(vulcap_result_text(result, 0), caption_of_program());
    EXPECT_EQ(vulcap_result_text(result, 1), nullptr);
    EXPECT_GT(vulcap_result_seconds(result), 0);
    vulcap_result_free(result);
  }
  vulcap_image_free(from_rows);
  vulcap_image_free(from_bytes);
  vulcap_captioner_free(captioner);
}

TEST(Library, FailuresAreStatuses) {
  Device device("cpu");
  vulcap_captioner* captioner = nullptr;
  EXPECT_EQ(vulcap_captioner_load(device.get(), "/no/such", nullptr, &captioner), VULCAP_BAD_MODEL);
  EXPECT_NE(std::string(vulcap_last_error()).find("/no/such"), std::string::npos);
  EXPECT_EQ(vulcap_captioner_load(nullptr, "x", nullptr, &captioner), VULCAP_BAD_ARGUMENT);
  EXPECT_EQ(captioner, nullptr);
  const vulcap_device_options unknown{sizeof unknown, "toaster", 0, nullptr, nullptr};
  vulcap_device* other = nullptr;
  EXPECT_EQ(vulcap_device_open(&unknown, &other), VULCAP_BAD_ARGUMENT);
  const vulcap_load_options unsized{0, nullptr, nullptr};
  EXPECT_EQ(vulcap_captioner_load(device.get(), kTinyModel.c_str(), &unsized, &captioner),
            VULCAP_BAD_ARGUMENT);
  vulcap_image* image = nullptr;
  EXPECT_EQ(vulcap_image_decode("nonsense", 8, &image), VULCAP_ERROR);
  EXPECT_EQ(vulcap_image_open("/no/such.png", &image), VULCAP_ERROR);
  const uint8_t pixel[3] = {};
  EXPECT_EQ(vulcap_image_from_rgb(pixel, 0, 1, 0, &image), VULCAP_BAD_ARGUMENT);
  EXPECT_EQ(vulcap_image_from_rgb(pixel, 1 << 30, 1 << 30, 0, &image), VULCAP_BAD_ARGUMENT);
  EXPECT_EQ(image, nullptr);
  char* folder = nullptr;
  EXPECT_EQ(vulcap_pull("a/b/c", nullptr, nullptr, nullptr, &folder), VULCAP_BAD_ARGUMENT);
  vulcap_device_free(nullptr);
  vulcap_captioner_free(nullptr);
  vulcap_image_free(nullptr);
  vulcap_result_free(nullptr);
  EXPECT_EQ(vulcap_result_count(nullptr), 0u);
  EXPECT_STREQ(vulcap_version(), VULCAP_VERSION);
}

TEST(Library, UnknownSettingsAreRefused) {
  Captioner captioner(Device("cpu"), kTinyModel.string());
  Request request;
  request.settings = {{"num_beamz", "3"}};
  try {
    captioner.caption(Image(kSampleImage.string()), request);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), VULCAP_BAD_ARGUMENT) << error.what();
  }
}

Outcome run(const std::string& program, const Arguments& arguments, const Environment& environment = {}) {
  return ChildProcess(program, arguments, environment).wait(std::chrono::seconds(60));
}

TEST(Library, ShowsNothingButItsInterface) {
  const Outcome symbols = run("nm", {"-D", "--defined-only", "--format=posix", VULCAP_LIBRARY});
  ASSERT_TRUE(exits(symbols, 0));
  for (const std::string& line : lines_of(symbols.out)) EXPECT_TRUE(line.starts_with("vulcap_")) << line;
}

// Installs the library, builds the examples against it by CMake and by pkg-config, and runs them.
TEST(Library, AnotherProjectFindsIt) {
  const TempFolder folder;
  const std::string prefix = folder / "prefix", build = folder / "build";
  const std::string source = std::string(VULCAP_SOURCE_DIR) + "/examples/library";
  ASSERT_TRUE(
      exits(run("cmake", {"--install", VULCAP_BUILD_DIR, "--prefix", prefix, "--component", "library"}), 0));
  ASSERT_TRUE(exits(run("cmake", {"-S", source, "-B", build, "-DCMAKE_PREFIX_PATH=" + prefix}), 0));
  ASSERT_TRUE(exits(run("cmake", {"--build", build}), 0));
  const std::string image = kSampleImage.string();
  const std::string expected = caption_of_program();
  const Environment environment = {{"LD_LIBRARY_PATH", prefix + "/lib"}};
  EXPECT_EQ(run(build + "/caption", {kTinyModel.string(), image}, environment).out,
            image + ": " + expected + "\n");
  EXPECT_EQ(run(build + "/caption_cpp", {kTinyModel.string(), image}, environment).out, expected + "\n");
  const Outcome failed = run(build + "/caption", {"/no/such", image}, environment);
  EXPECT_EQ(failed.exit_code, 1);
  const Outcome config =
      run("pkg-config", {"--cflags", "--libs", "vulcap"}, {{"PKG_CONFIG_PATH", prefix + "/lib/pkgconfig"}});
  ASSERT_TRUE(exits(config, 0));
  const std::string flags = config.out.substr(0, config.out.find('\n'));
  ASSERT_TRUE(exits(run("sh", {"-c", "cc -std=c99 -Wall -Wextra -Werror -pedantic '" + source +
                                         "/caption.c' -o '" + build + "/by_pkg_config' " + flags}),
                    0));
  EXPECT_TRUE(exits(run(build + "/by_pkg_config", {kTinyModel.string(), image}, environment), 0));
}

}  // namespace
}  // namespace vulcap::testing
