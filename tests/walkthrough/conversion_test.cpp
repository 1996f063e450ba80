// docs/conversion.md says nothing that does not work: its commands are run, in the order of the page. Without
// Python the folders that its export commands would make are those of tests/golden/recipes;
// VULCAP_EXPORT_PYTHON names an interpreter with export/requirements.txt, and then tiny checkpoints are
// exported.
#include <cstdlib>
#include <sstream>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"
#include "tests/hub/hub_server.h"

namespace vulcap::testing {
namespace {

const fs::path kPage = fs::path(VULCAP_SOURCE_DIR) / "docs/conversion.md";
const fs::path kRecipes = kTestData / "recipes";
constexpr const char* kExport = "python -m export ";

struct Step {
  int line = 0;
  std::string command;
};

// Lines "$ command" of the page's blocks; a "\" at the end continues one.
std::vector<Step> read_steps() {
  std::vector<Step> steps;
  std::istringstream page(read_file(kPage));
  bool inside = false, continues = false;
  int number = 0;
  for (std::string line; std::getline(page, line);) {
    ++number;
    if (line.starts_with("```")) inside = !inside;
    if (inside && continues) {
      steps.back().command += "\n" + line;
    } else if (inside && line.starts_with("$ ")) {
      steps.push_back({number, line.substr(2)});
    } else {
      continue;
    }
    continues = line.ends_with("\\");
  }
  return steps;
}

// Of "python -m export FAMILY CHECKPOINT OUT".
struct ExportStep {
  std::string family, checkpoint, out;
};
ExportStep parse_export(const std::string& command) {
  ExportStep step;
  std::istringstream(command.substr(std::string(kExport).size())) >> step.family >> step.checkpoint >>
      step.out;
  return step;
}

class ConversionPage : public ::testing::Test {
 protected:
  ConversionPage() {
    fs::create_directories(folder / "work");
    fs::copy_file(kTestData / "images/scene_320x320.png", folder / "work/photo.png");
    fs::copy(kTestData / "lora_recipes/vit-gpt2/adapter", work() / "adapter");
    server.token = "secret";
    environment = program_environment(
        {{"HF_ENDPOINT", server.endpoint()},
         {"HF_HOME", (folder / "home").string()},
         {"HF_TOKEN", "secret"},
         {"PYTHONPATH", VULCAP_SOURCE_DIR},
         {"PATH", fs::path(VULCAP_PROGRAM).parent_path().string() + ":" + std::getenv("PATH")}});
  }

  // As a user's shell in one folder.
  Outcome shell(const std::string& command) {
    return ChildProcess("bash", {"-c", "cd '" + (folder / "work").string() + "' && " + command}, environment)
        .wait(std::chrono::minutes(5));
  }

  fs::path work() const { return folder.path() / "work"; }

  TempFolder folder;
  HubServer server;
  Environment environment;
};

TEST_F(ConversionPage, CommandsRunOnTheGoldens) {
  for (const Step& step : read_steps()) {
    SCOPED_TRACE("docs/conversion.md:" + std::to_string(step.line) + ": " + step.command);
    if (step.command.starts_with("pip ")) continue;
    if (step.command.find("--device vulkan") != std::string::npos &&
        std::getenv("VULCAP_TESTS_WITHOUT_VULKAN") != nullptr)
      continue;
    if (step.command.starts_with(kExport)) {
      const ExportStep made = parse_export(step.command);
      ASSERT_TRUE(fs::is_directory(kRecipes / made.out)) << "no golden stands for it";
      fs::copy(kRecipes / made.out, work() / made.out, fs::copy_options::recursive);
      continue;
    }
    ASSERT_TRUE(exits(shell(step.command), 0));
  }
}

TEST_F(ConversionPage, ExportsRunOnTinyCheckpoints) {
  const char* python = std::getenv("VULCAP_EXPORT_PYTHON");
  if (python == nullptr)
    GTEST_SKIP() << "VULCAP_EXPORT_PYTHON names no interpreter with export/requirements.txt";
  for (const Step& step : read_steps()) {
    SCOPED_TRACE("docs/conversion.md:" + std::to_string(step.line) + ": " + step.command);
    if (!step.command.starts_with(kExport)) continue;
    const ExportStep made = parse_export(step.command);
    if (!fs::exists(work() / made.checkpoint)) {
      ASSERT_TRUE(
          exits(shell(std::string(python) + " -m export.tiny " + made.family + " " + made.checkpoint), 0));
    }
    ASSERT_TRUE(exits(shell(python + step.command.substr(std::string("python").size())), 0));
    ASSERT_TRUE(exits(shell("vulcap verify " + made.out), 0));
  }
}

TEST_F(ConversionPage, LeavesNothingOut) {
  const std::string page = read_file(kPage);
  for (const char* command : {"check", "verify", "optimize", "quantize", "pack", "unpack", "merge-lora",
                              "diff", "card", "push", "caption"})
    EXPECT_NE(page.find("$ vulcap " + std::string(command) + " "), page.npos) << command;
  for (const auto& entry : fs::directory_iterator(fs::path(VULCAP_SOURCE_DIR) / "export/families")) {
    const std::string family = entry.path().stem().string();
    if (entry.path().extension() != ".py" || family.starts_with("_")) continue;
    EXPECT_NE(page.find("$ " + std::string(kExport) + family + " "), page.npos) << family;
  }
}

}  // namespace
}  // namespace vulcap::testing
