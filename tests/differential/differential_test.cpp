// Random graphs: the CPU's kernels and the shaders, after all passes, against the scalar references node by
// node.
//
//   differential_test [--seed A] [--count N] [--device cpu|vulkan|cpu,vulkan|none] [--dump DIR]
//
// Case i of a run has the seed A + i and depends on nothing else, so a failure is repeated by --seed. --dump
// writes every case as a folder in the ONNX project's layout, for tests/generators/differential_ort.py.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "runtime/core/error.h"
#include "runtime/session/open_device.h"
#include "tests/differential/check.h"

namespace vulcap::test {
namespace {

struct Settings {
  uint64_t seed = 1;
  uint64_t count = 500;
  std::string device = "cpu,vulkan";
  std::string dump;
};

Settings& settings() {
  static Settings values;
  return values;
}

volatile uint64_t current_seed = 0;

// A crash names its case too.
void tell_seed(int signal) {
  char text[64];
  const int length = std::snprintf(text, sizeof text, "\ncrashed at --seed %llu\n",
                                   static_cast<unsigned long long>(current_seed));
  if (write(STDERR_FILENO, text, size_t(length)) < 0) _exit(2);
  ::signal(signal, SIG_DFL);
  raise(signal);
}

void run_cases(const std::string& name) {
  const session::OpenedDevice opened = session::open_device({name, 2, {}});
  constexpr int kMostFailures = 20;
  int failures = 0;
  for (uint64_t i = 0; i < settings().count && failures < kMostFailures; ++i) {
    current_seed = settings().seed + i;
    const std::string text = disagreement(draw_case(current_seed), *opened.device, name);
    if (text.empty()) continue;
    ++failures;
    ADD_FAILURE() << text;
  }
}

TEST(Differential, CpuAgreesWithReferences) {
  if (settings().device.find("cpu") == std::string::npos) GTEST_SKIP() << "--device leaves out the cpu";
  run_cases("cpu");
}

TEST(Differential, VulkanAgreesWithReferences) {
  const char* without = std::getenv("VULCAP_TESTS_WITHOUT_VULKAN");
  if (settings().device.find("vulkan") == std::string::npos || (without != nullptr && *without == '1'))
    GTEST_SKIP() << "--device or VULCAP_TESTS_WITHOUT_VULKAN leaves out Vulkan";
  run_cases("vulkan");
}

TEST(Differential, Dumps) {
  if (settings().dump.empty()) GTEST_SKIP() << "only with --dump";
  for (uint64_t i = 0; i < settings().count; ++i) {
    current_seed = settings().seed + i;
    write_case(draw_case(current_seed),
               std::filesystem::path(settings().dump) / std::to_string(current_seed));
  }
}

// The generator reaches all families, and a seed is a case for ever.
TEST(Differential, SeedsRepeat) {
  for (uint64_t seed = 1; seed < 20; ++seed) {
    const DrawnCase a = draw_case(seed);
    const DrawnCase b = draw_case(seed);
    ASSERT_FALSE(a.graph.nodes.empty());
    ASSERT_EQ(a.expected.size(), b.expected.size());
    for (const auto& [name, tensor] : a.expected) {
      const auto bytes = tensor.bytes();
      const auto other = b.expected.at(name).bytes();
      EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), other.begin(), other.end()));
    }
  }
}

}  // namespace
}  // namespace vulcap::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  auto& settings = vulcap::test::settings();
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--seed") settings.seed = std::strtoull(argv[i + 1], nullptr, 10);
    if (flag == "--count") settings.count = std::strtoull(argv[i + 1], nullptr, 10);
    if (flag == "--device") settings.device = argv[i + 1];
    if (flag == "--dump") settings.dump = argv[i + 1];
  }
  for (int signal : {SIGSEGV, SIGABRT, SIGFPE, SIGBUS}) ::signal(signal, vulcap::test::tell_seed);
  return RUN_ALL_TESTS();
}
