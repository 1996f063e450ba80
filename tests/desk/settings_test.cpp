// Flags from the environment and from a config file: flag > environment > file > default.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"
#include "tests/desk/terminal.h"

namespace vulcap::testing {
namespace {

class Settings : public ::testing::Test {
 protected:
  // Ids of the caption, the start token included.
  size_t length(const std::string& flags, Environment changes = {}) {
    const Outcome outcome =
        run_shell("$VULCAP caption --format jsonl " + sample("scene_000.png") + " " + flags, changes);
    EXPECT_TRUE(exits(outcome, 0)) << outcome.err;
    return nlohmann::json::parse(outcome.out).at("captions").at(0).at("ids").size();
  }
  std::string config(const std::string& text) {
    write_file(folder_ / "vulcap/config.toml", text);
    return (folder_ / "vulcap/config.toml").string();
  }
  Environment home() { return {{"XDG_CONFIG_HOME", folder_.path().string()}}; }
  void SetUp() override { std::filesystem::create_directories(folder_ / "vulcap"); }
  TempFolder folder_;
};

TEST_F(Settings, EveryFlagHasAVariable) {
  EXPECT_EQ(length("", {{"VULCAP_ARG_MAX_NEW_TOKENS", "5"}}), 6u);
  EXPECT_EQ(length("-n 3", {{"VULCAP_ARG_MAX_NEW_TOKENS", "5"}}), 4u);
  EXPECT_TRUE(refuses(
      run_shell("$VULCAP caption " + sample("scene_000.png"), {{"VULCAP_ARG_FORMAT", "yaml"}}), 2, {"yaml"}));
}

TEST_F(Settings, FileComesBehindFlagsAndVariables) {
  const std::string flag = "--config " + config("max-new-tokens = 5\n");
  EXPECT_EQ(length(flag), 6u);
  EXPECT_EQ(length("", home()), 6u) << "the default place";
  EXPECT_EQ(length(flag, {{"VULCAP_ARG_MAX_NEW_TOKENS", "4"}}), 5u);
  EXPECT_EQ(length(flag + " -n 3", {{"VULCAP_ARG_MAX_NEW_TOKENS", "4"}}), 4u);
}

TEST_F(Settings, SectionsBelongToTheirSubcommand) {
  const std::string flag =
      "--config " +
      config("max_new_tokens = 9\n[caption]\nmax-new-tokens = 5\n[generate]\nmax-new-tokens = 7\n");
  EXPECT_EQ(length(flag), 6u);
}

TEST_F(Settings, WhatNamesNoFlagIsNotIgnored) {
  const std::string image = sample("scene_000.png");
  const auto run = [&](const std::string& text) {
    return run_shell("$VULCAP caption --config " + config(text) + " " + image);
  };
  EXPECT_TRUE(refuses(run("numbeams = 3\n"), 2, {"config.toml", "numbeams"}));
  EXPECT_TRUE(refuses(run("[caption]\nsteps = 3\n"), 2, {"config.toml", "steps", "caption"}));
  EXPECT_TRUE(refuses(run("[captoin]\nnum-beams = 3\n"), 2, {"config.toml", "captoin"}));
  EXPECT_TRUE(refuses(run_shell("$VULCAP caption --config /nonexistent.toml " + image), 2, {"nonexistent"}));
  const Outcome outcome = run_shell("$VULCAP caption " + image, {{"VULCAP_ARG_NUM_BEEMS", "3"}});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.err.find("VULCAP_ARG_NUM_BEEMS"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace vulcap::testing
