// The hub of these tests takes uploads of Python's huggingface_hub as it takes vulcap's: evidence that it
// speaks what a hub speaks. VULCAP_EXPORT_PYTHON names an interpreter that has huggingface_hub.
#include <cstdlib>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"
#include "tests/hub/hub_server.h"

namespace vulcap::testing {
namespace {

constexpr const char* kUpload = R"(
import sys
from huggingface_hub import HfApi
api = HfApi(endpoint=sys.argv[1], token="secret")
api.create_repo("org/model", exist_ok=True)
print(api.upload_folder(repo_id="org/model", folder_path=sys.argv[2], commit_message="A model").oid)
)";

class PythonClient : public ::testing::TestWithParam<uint64_t> {};

TEST_P(PythonClient, LeavesTheSameCommit) {
  const char* python = std::getenv("VULCAP_EXPORT_PYTHON");
  if (python == nullptr) GTEST_SKIP() << "VULCAP_EXPORT_PYTHON names no interpreter with huggingface_hub";
  TempFolder folder;
  copy_tiny_model(folder / "model");
  write_file(folder / "model/empty.bin", "");
  HubServer server;
  server.token = "secret";
  server.part_size = GetParam();
  server.needs_upload_headers = false;  // huggingface_hub leaves them out
  const Environment environment = {{"HF_ENDPOINT", server.endpoint()},
                                   {"HF_HOME", (folder / "home").string()},
                                   {"HF_HUB_DISABLE_XET", "1"},
                                   {"HF_TOKEN", "secret"}};
  const Arguments arguments = {"-c", kUpload, server.endpoint(), (folder / "model").string()};
  const Outcome theirs = ChildProcess(python, arguments, environment).wait(std::chrono::seconds(120));
  ASSERT_TRUE(exits(theirs, 0));
  const Outcome nothing = run_vulcap({"push", "org/model", (folder / "model").string()}, environment);
  ASSERT_TRUE(exits(nothing, 0));
  ASSERT_EQ(server.commits().size(), 1u) << "vulcap sees that all of it is there";
  const auto files = server.commits()[0].files;

  HubServer other;
  other.token = "secret";
  other.part_size = GetParam();
  const Outcome ours = run_vulcap(
      {"push", "org/model", (folder / "model").string(), "--message", "A model"},
      {{"HF_ENDPOINT", other.endpoint()}, {"HF_HOME", (folder / "home").string()}, {"HF_TOKEN", "secret"}});
  ASSERT_TRUE(exits(ours, 0));
  ASSERT_EQ(other.commits().size(), 1u);
  EXPECT_EQ(other.commits()[0].summary, server.commits()[0].summary);
  EXPECT_TRUE(other.commits()[0].files == files);
}

INSTANTIATE_TEST_SUITE_P(InOne, PythonClient, ::testing::Values(0));
INSTANTIATE_TEST_SUITE_P(InParts, PythonClient, ::testing::Values(100'000));

}  // namespace
}  // namespace vulcap::testing
