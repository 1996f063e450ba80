// A disk that is full, at each point where a conversion touches its output: one clear error, and nothing is
// left of the output.
#include <gtest/gtest.h>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

struct Conversion {
  const char* name;
  std::vector<std::string> arguments;  // the output follows
};
void PrintTo(const Conversion& conversion, std::ostream* out) { *out << conversion.name; }

class DiskFull : public ::testing::TestWithParam<Conversion> {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer's runtime must come before the preloaded shim";
#endif
  }
};

TEST_P(DiskFull, LeavesNothing) {
  for (int point = 1;; ++point) {
    SCOPED_TRACE("at call " + std::to_string(point));
    ASSERT_LT(point, 200);
    TempFolder folder;
    const fs::path place = folder / "place", mark = folder / "reached";
    fs::create_directory(place);
    Arguments arguments = GetParam().arguments;
    arguments.insert(arguments.end(), {"-o", (place / "out.onnx").string()});
    const Outcome outcome = run_vulcap(arguments, {{"LD_PRELOAD", VULCAP_WRITE_FAULTS},
                                                   {"VULCAP_FAULT_FOLDER", place.string()},
                                                   {"VULCAP_FAULT_KIND", "full"},
                                                   {"VULCAP_FAULT_AT", std::to_string(point)},
                                                   {"VULCAP_FAULT_MARK", mark.string()}});
    if (!fs::exists(mark)) {
      EXPECT_TRUE(exits(outcome, 0));
      EXPECT_GT(point, 3) << "the faults are not where the program writes";
      return;
    }
    EXPECT_TRUE(refuses(outcome, 1, {place.string(), "No space left"}));
    EXPECT_TRUE(fs::is_empty(place));
  }
}

const std::string kModel = (kTestData / "lora" / "external" / "model.onnx").string();

INSTANTIATE_TEST_SUITE_P(
    Conversions, DiskFull,
    ::testing::Values(Conversion{"pack", {"pack", kModel}},
                      Conversion{"unpack", {"unpack", kModel, "--large", "1"}},
                      Conversion{"pack_folder", {"pack", kTestData / "lora" / "renamed"}},
                      Conversion{"merge_lora",
                                 {"merge-lora", kModel, kTestData / "lora" / "external" / "adapter"}}),
    [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace vulcap::testing
