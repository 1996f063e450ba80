// The program's words on this machine: doctor, --fallback, --report, --list-devices.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

Arguments caption(const Arguments& more) {
  Arguments all{"caption", "-m", kTinyModel.string(), "-n", "4", kSampleImage.string()};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

TEST(Doctor, WithoutVulkanItSaysWhatIsWrong) {
  const Outcome outcome = run_vulcap({"doctor"}, without_vulkan());
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_TRUE(outcome.out.starts_with("Runs on: cpu")) << outcome.out;
  EXPECT_NE(outcome.out.find("VK_DRIVER_FILES=/nonexistent replaces the usual drivers"), std::string::npos)
      << outcome.out;
}

TEST(Doctor, WhatCannotRunAsAskedEndsWith4) {
  const Outcome outcome = run_vulcap({"doctor", "--device", "vulkan"}, without_vulkan());
  ASSERT_TRUE(exits(outcome, 4));
  EXPECT_TRUE(outcome.out.starts_with("Nothing can run as asked")) << outcome.out;
}

TEST(Doctor, JsonHoldsTheSame) {
  const Outcome outcome = run_vulcap({"doctor", "--json"});
  ASSERT_TRUE(exits(outcome, 0));
  const auto json = nlohmann::json::parse(outcome.out);
  for (const char* key : {"runs_on", "reason", "loader", "drivers", "devices", "machine", "findings"})
    EXPECT_TRUE(json.contains(key)) << key;
}

class DoctorVulkan : public VulkanProgramTest {};

TEST_F(DoctorVulkan, NamesWhatADeviceLacks) {
  const Outcome whole = run_vulcap({"doctor", "--json", "--device", "vulkan:0"});
  ASSERT_TRUE(exits(whole, 0));
  const Outcome masked = run_vulcap({"doctor", "--json"}, {{"VULCAP_VK_DISABLE_F16", "1"}});
  ASSERT_TRUE(exits(masked, 0));
  const auto features = nlohmann::json::parse(masked.out).at("devices").at(0).at("features");
  EXPECT_EQ(features.at(0).at("name"), "16-bit storage");
  EXPECT_FALSE(features.at(0).at("used"));
  EXPECT_EQ(features.at(0).at("has"), nlohmann::json::parse(whole.out)["devices"][0]["features"][0]["has"]);
}

TEST(Fallback, AutoMayBeForbiddenToTakeTheCpu) {
  EXPECT_TRUE(
      refuses(run_vulcap(caption({"--fallback", "forbid"}), without_vulkan()), 4, {"--fallback forbid"}));
  EXPECT_TRUE(exits(run_vulcap(caption({"--fallback", "forbid", "--device", "cpu"}), without_vulkan()), 0));
}

TEST(Fallback, AllowSaysNothing) {
  const Outcome outcome = run_vulcap(caption({"--fallback", "allow"}), without_vulkan());
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_EQ(outcome.err, "");
}

TEST(Fallback, OtherWordsAreRefused) {
  EXPECT_TRUE(refuses(run_vulcap(caption({"--fallback", "maybe"})), 2, {"--fallback"}));
}

class FallbackVulkan : public VulkanProgramTest {};

// Without 64-bit integers, as on small devices, token ids are looked up by the CPU.
TEST_F(FallbackVulkan, KernelCallsOfTheCpuAreRefusedByName) {
  const Environment limited{{"VULCAP_VK_MEMORY_LIMIT", "1"}};
  EXPECT_TRUE(refuses(run_vulcap(caption({"--device", "vulkan", "--fallback", "forbid"}), limited), 4,
                      {"--fallback forbid", "limit of 1 MiB"}));
}

TEST_F(FallbackVulkan, LittleMemoryCostsTheDeviceAndNoCaption) {
  const std::string expected = run_vulcap(caption({"--device", "cpu"})).out;
  for (const char* mib : {"1", "2", "4", "1000"}) {
    const Outcome outcome =
        run_vulcap(caption({"--device", "vulkan", "--format", "jsonl"}), {{"VULCAP_VK_MEMORY_LIMIT", mib}});
    ASSERT_TRUE(exits(outcome, 0)) << mib;
    const auto record = nlohmann::json::parse(outcome.out);
    EXPECT_EQ(std::string(record["caption"]) + "\n", expected) << mib;
    EXPECT_EQ(record.contains("fallback"), std::string(mib) == "1") << mib << record;
  }
  EXPECT_TRUE(refuses(run_vulcap(caption({"--device", "vulkan"}), {{"VULCAP_VK_MEMORY_LIMIT", "much"}}), 2,
                      {"VULCAP_VK_MEMORY_LIMIT"}));
}

nlohmann::json report_of(const Arguments& arguments, const Environment& environment = {}) {
  const TempFolder folder;
  const std::string file = (folder / "report.json").string();
  Arguments all = caption(arguments);
  all.insert(all.end(), {"--report", file});
  EXPECT_TRUE(exits(run_vulcap(all, environment), 0));
  return nlohmann::json::parse(read_file(file));
}

TEST_F(FallbackVulkan, ReportListsEveryKernelCall) {
  const auto report = report_of({"--device", "vulkan"});
  EXPECT_EQ(report["requested"], "vulkan");
  EXPECT_EQ(report["summary"]["on_cpu_by_fallback"], 0);
  EXPECT_GT(int(report["summary"]["kernel_calls"]), 20);
  EXPECT_GT(int(report["summary"]["bytes_written"]), 0);
  const auto& program = report["devices"][0]["programs"][0];
  EXPECT_EQ(program["runs"], 1);
  EXPECT_EQ(program["calls"][0]["placement"], "device");
  EXPECT_NE(std::string(program["calls"][0]["kernel"]), "");
}

TEST_F(FallbackVulkan, ReportTellsWhyTheCpuTookOver) {
  const auto report = report_of({"--device", "vulkan"}, {{"VULCAP_VK_MEMORY_LIMIT", "1"}});
  ASSERT_FALSE(report["events"].empty());
  EXPECT_NE(std::string(report["events"][0]).find("limit of 1 MiB"), std::string::npos) << report["events"];
}

TEST(Report, ThatCannotBeWrittenIsAnErrorBeforeTheWork) {
  const Outcome outcome = run_vulcap(caption({"--device", "cpu", "--report", "/nonexistent/r.json"}));
  ASSERT_TRUE(exits(outcome, 1));
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(error_lines(outcome).size(), 1u) << outcome.err;
}

TEST(ListDevices, NeedsNothingElse) {
  for (const char* command : {"caption", "classify"}) {
    const Outcome outcome = run_vulcap({command, "--list-devices"});
    ASSERT_TRUE(exits(outcome, 0));
    EXPECT_EQ(outcome.out, run_vulcap({"devices"}).out);
  }
}

TEST_F(FallbackVulkan, HiddenDevicesCannotBeUsed) {
  const Environment none{{"VULCAP_VK_VISIBLE_DEVICES", "5"}};
  const Outcome outcome = run_vulcap(caption({"--device", "vulkan"}), none);
  ASSERT_TRUE(exits(outcome, 4));
  EXPECT_NE(outcome.err.find("VULCAP_VK_VISIBLE_DEVICES=5"), std::string::npos) << outcome.err;
  EXPECT_NE(run_vulcap({"devices"}, none).out.find("hidden: given by VULCAP_VK_VISIBLE_DEVICES=5"),
            std::string::npos);
}

}  // namespace
}  // namespace vulcap::testing
