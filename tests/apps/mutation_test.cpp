// Files of a model folder with a few bytes changed: the program ends in a caption or in one error line, in
// time.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

const std::vector<std::string> kFiles = {
    "config.json",    "generation_config.json", "preprocessor_config.json", "tokenizer_config.json",
    "tokenizer.json", "encoder_model.onnx",     "decoder_model_merged.onnx"};
// Graphs stand at the start and at the end of an .onnx file; most of what lies between is weights.
constexpr size_t kGraphBytes = 20000;

std::string mutated(std::string bytes, std::mt19937& random) {
  const int changes = 1 + int(random() % 2);
  for (int i = 0; i < changes; ++i) {
    size_t at = random() % std::min(bytes.size(), kGraphBytes);
    if (random() % 2 == 0) at = bytes.size() - 1 - at;
    switch (random() % 4) {
      case 0:
        bytes[at] = char(bytes[at] ^ (1 << (random() % 8)));
        break;
      case 1:
        bytes[at] = char(random());
        break;
      case 2:
        bytes[at] = "0123456789-{}[]\",:"[random() % 18];
        break;
      default:
        bytes.erase(at, 1 + random() % 3);
    }
  }
  return bytes;
}

void run_mutations(const std::string& device, uint32_t seed, int count) {
  TempFolder folder;
  copy_tiny_model(folder.path());
  std::mt19937 random(seed);
  int captions = 0;
  int refusals = 0;
  for (int i = 0; i < count; ++i) {
    const std::string name = kFiles[size_t(i) % kFiles.size()];
    const std::string good = read_file(folder / name);
    write_file(folder / name, mutated(good, random));
    const Outcome outcome =
        run_vulcap({"caption", "-m", folder.path().string(), "--device", device, kSampleImage.string()}, {},
                   std::chrono::seconds(30));
    const std::string what =
        "mutation " + std::to_string(i) + " of " + name + ", seed " + std::to_string(seed);
    EXPECT_FALSE(outcome.timed_out) << what;
    EXPECT_EQ(outcome.signal, 0) << what << "\n" << outcome.err;
    EXPECT_TRUE(outcome.exit_code == 0 || outcome.exit_code == 1 || outcome.exit_code == 3)
        << what << ": exit code " << outcome.exit_code << "\n"
        << outcome.err;
    EXPECT_EQ(error_lines(outcome).size(), outcome.exit_code == 0 ? 0u : 1u) << what << "\n" << outcome.err;
    EXPECT_TRUE(outcome.exit_code == 0 || outcome.out.empty()) << what << "\n" << outcome.out;
    ++(outcome.exit_code == 0 ? captions : refusals);
    write_file(folder / name, good);
  }
  std::printf("%d captions, %d refusals\n", captions, refusals);
  EXPECT_GT(refusals, count / 5) << "the mutations hit nothing that matters";
}

TEST(Mutation, SixtyOnCpu) { run_mutations("cpu", 4021, 60); }

class MutationVulkan : public VulkanProgramTest {};
TEST_F(MutationVulkan, Fourteen) { run_mutations("vulkan", 977, 14); }

}  // namespace
}  // namespace vulcap::testing
