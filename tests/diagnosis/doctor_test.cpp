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

const Environment kNoHalf{{"VULCAP_VK_DISABLE_F16", "1"}};

TEST_F(FallbackVulkan, KernelCallsOfTheCpuAreRefusedByName) {
  EXPECT_TRUE(
      refuses(run_vulcap(caption({"--device", "vulkan", "--dtype", "fp16", "--fallback", "forbid"}), kNoHalf),
              4, {"kernel calls, the first", "16-bit storage", "--fallback forbid"}));
}

// The embedded model takes more than 8 MiB.
Arguments caption_in(const Arguments& more) {
  Arguments all{"caption", "-n", "4", "--device", "vulkan", kSampleImage.string()};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

TEST_F(FallbackVulkan, LittleMemoryCostsTheDeviceAndNoCaption) {
  const std::string expected =
      run_vulcap({"caption", "-n", "4", "--device", "cpu", kSampleImage.string()}).out;
  for (const char* mib : {"1", "3", "8", "1000"}) {
    const Outcome outcome = run_vulcap(caption_in({"--format", "jsonl"}), {{"VULCAP_VK_MEMORY_LIMIT", mib}});
    ASSERT_TRUE(exits(outcome, 0)) << mib;
    const auto record = nlohmann::json::parse(outcome.out);
    EXPECT_EQ(std::string(record["caption"]) + "\n", expected) << mib;
    EXPECT_EQ(record.contains("fallback"), std::string(mib) != "1000") << mib << record;
  }
  EXPECT_TRUE(refuses(run_vulcap(caption_in({"--fallback", "forbid"}), {{"VULCAP_VK_MEMORY_LIMIT", "3"}}), 4,
                      {"does not fit", "--fallback forbid"}));
  EXPECT_TRUE(refuses(run_vulcap(caption_in({}), {{"VULCAP_VK_MEMORY_LIMIT", "much"}}), 2,
                      {"VULCAP_VK_MEMORY_LIMIT"}));
}

nlohmann::json report_of(Arguments arguments, const Environment& environment = {}) {
  const TempFolder folder;
  const std::string file = (folder / "report.json").string();
  arguments.insert(arguments.end(), {"--report", file});
  EXPECT_TRUE(exits(run_vulcap(arguments, environment), 0));
  return nlohmann::json::parse(read_file(file));
}

TEST_F(FallbackVulkan, ReportListsEveryKernelCall) {
  const auto report = report_of(caption({"--device", "vulkan"}));
  EXPECT_EQ(report["requested"], "vulkan");
  EXPECT_EQ(report["summary"]["on_cpu_by_fallback"], 0);
  EXPECT_GT(int(report["summary"]["kernel_calls"]), 20);
  EXPECT_GT(int(report["summary"]["bytes_written"]), 0);
  const auto& program = report["devices"][0]["programs"][0];
  EXPECT_EQ(program["runs"], 1);
  EXPECT_EQ(program["calls"][0]["placement"], "device");
  EXPECT_NE(std::string(program["calls"][0]["kernel"]), "");
}

TEST_F(FallbackVulkan, ReportTellsWhatCrossesAndWhy) {
  const auto report = report_of(caption({"--device", "vulkan", "--dtype", "fp16"}), kNoHalf);
  EXPECT_GT(int(report["summary"]["on_cpu_by_fallback"]), 0);
  EXPECT_GT(int(report["summary"]["bytes_crossing_for_fallbacks"]), 0);
  for (const auto& call : report["devices"][0]["programs"][0]["calls"]) {
    if (call["placement"] == "device") continue;
    EXPECT_NE(std::string(call["reason"]), "") << call;
    EXPECT_GT(int(call["bytes_crossing"]), 0) << call;
  }
}

TEST_F(FallbackVulkan, ReportTellsWhyTheCpuTookOver) {
  const auto report = report_of(caption_in({}), {{"VULCAP_VK_MEMORY_LIMIT", "1"}});
  ASSERT_FALSE(report["events"].empty());
  EXPECT_NE(std::string(report["events"][0]).find("does not fit"), std::string::npos) << report["events"];
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
