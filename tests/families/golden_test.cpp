// Every folder of tests/golden/families, and of tests/golden/recipes as export/ writes them, is a model
// folder with the answers of the reference stack in expected/: all of them must come out, on each device.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "loader/verify/verify.h"
#include "runtime/core/error.h"
#include "runtime/session/open_device.h"

namespace vulcap::loader {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> folders() {
  std::vector<std::string> names;
  for (const fs::path root : {"families", "recipes"}) {
    for (const auto& entry : fs::directory_iterator(VULCAP_TEST_DATA / root)) {
      if (fs::is_directory(entry.path() / "expected")) names.push_back(root / entry.path().filename());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Golden : public testing::TestWithParam<std::tuple<std::string, std::string>> {};

TEST_P(Golden, Verifies) {
  const auto& [folder, name] = GetParam();
  if (name == "vulkan" && std::getenv("VULCAP_TESTS_WITHOUT_VULKAN") != nullptr)
    GTEST_SKIP() << "VULCAP_TESTS_WITHOUT_VULKAN is set";
  session::DeviceRequest request;
  request.device = name;
  const session::OpenedDevice opened = session::open_device(request);
  int rows = 0;
  verify(fs::path(VULCAP_TEST_DATA) / folder, *opened.device, {}, [&](const VerifyRow& row) {
    ++rows;
    EXPECT_TRUE(row.pass || row.skipped)
        << row.subject << " " << row.output << ": " << row.note << ", off by " << row.max_abs;
  });
  EXPECT_GT(rows, 0);
}

INSTANTIATE_TEST_SUITE_P(Families, Golden,
                         testing::Combine(testing::ValuesIn(folders()), testing::Values("cpu", "vulkan")),
                         [](const auto& test) {
                           std::string name = std::get<0>(test.param) + "_" + std::get<1>(test.param);
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return !isalnum(c); }, '_');
                           return name;
                         });

}  // namespace
}  // namespace vulcap::loader
