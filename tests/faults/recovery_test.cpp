// A short caption job whose Vulkan calls fail one by one: the captions stay the same or there is an error,
// and nothing leaks.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <map>
#include <random>
#include <set>

#include "apps/captioning/engine.h"
#include "loader/image/decode.h"
#include "runtime/core/error.h"
#include "tests/faults/fault_library.h"

namespace vulcap::testing {
namespace {

constexpr int32_t kOutOfHostMemory = -1, kOutOfDeviceMemory = -2, kInitializationFailed = -3,
                  kDeviceLost = -4;
constexpr int32_t kResults[] = {kOutOfHostMemory, kOutOfDeviceMemory, kInitializationFailed, kDeviceLost};

struct Outcome {
  std::vector<std::string> captions;  // the streamed one last
  std::string streamed;
  std::vector<std::string> errors;  // of images
  std::string retries;              // what it took, of all records
  std::string error;                // that ended the job
  int code = 0;
  bool on_cpu = false;  // all of it, or what does not fit the device
  bool told = false;    // of the CPU, in some record
};

const std::vector<image::Image>& images() {
  static const std::vector<image::Image> all = [] {
    const std::string folder = std::string(VULCAP_TEST_DATA) + "/images/";
    const image::Image scene = image::decode_file(folder + "scene_320x320.png");
    return std::vector<image::Image>{scene, scene, scene};
  }();
  return all;
}

void take(Outcome& outcome, const apps::Captioned& captioned) {
  outcome.told |= !captioned.fallback.empty();
  outcome.retries += captioned.retry + "\n";
  if (!captioned.error.empty())
    outcome.errors.push_back(captioned.error);
  else
    outcome.captions.push_back(captioned.result.captions.at(0).text);
}

// Two images together, then one with its text as it comes.
Outcome run_job(const std::string& device) {
  Outcome outcome;
  try {
    apps::ModelOptions options;
    options.model = std::string(VULCAP_TEST_DATA) + "/vit-gpt2";
    options.device = device;
    options.threads = 1;
    apps::Remarks remarks;
    apps::CaptionEngine engine(options, remarks);
    const auto config = engine.generation_config({{"max-new-tokens", "6"}});
    const auto batch = std::span(images()).first(2);
    for (const apps::Captioned& captioned : engine.caption(batch, {}, config)) take(outcome, captioned);
    const auto listen = [&](const std::string& text) { outcome.streamed += text; };
    take(outcome, engine.caption(images()[2], {}, config, listen));
    outcome.on_cpu = outcome.told || !engine.device().is_vulkan;
  } catch (const core::Error& error) {
    outcome.error = error.message();
    outcome.code = int(error.code());
  }
  return outcome;
}

std::string described(const std::vector<Fault>& faults) {
  std::string text;
  for (const Fault& fault : faults)
    text += fault.function + " " + std::to_string(fault.call) + " -> " + std::to_string(fault.result) + " ";
  return text;
}

// How jobs with faults ended.
struct Tally {
  int same_on_device = 0, same_on_cpu = 0, refused = 0;
};

class Recovery : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    load_fault_library();
    ::testing::internal::CaptureStderr();
    arm({});
    expected_ = run_job("vulkan");
    for (const std::string& function : faulty_functions()) calls_[function] = calls_of(function);
    ::testing::internal::GetCapturedStderr();
  }

  void SetUp() override {
    ASSERT_EQ(expected_.error, "");
    ASSERT_EQ(expected_.captions.size(), 3u);
    ASSERT_EQ(expected_.captions, run_job("cpu").captions);
  }

  void expect_recovery(const std::vector<Fault>& faults) {
    arm(faults);
    const int64_t live = live_objects();
    ::testing::internal::CaptureStderr();
    const Outcome outcome = run_job("vulkan");
    ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(live_objects(), live) << "objects leak after " << described(faults);
    if (!outcome.error.empty()) {
      // The one documented error: there is no device to begin with.
      EXPECT_EQ(outcome.code, int(core::ErrorCode::kNoDevice)) << described(faults) << outcome.error;
      ++tally_.refused;
      return;
    }
    EXPECT_EQ(outcome.captions, expected_.captions) << described(faults);
    EXPECT_EQ(outcome.streamed, expected_.streamed) << described(faults);
    EXPECT_TRUE(outcome.errors.empty()) << described(faults) << outcome.errors.at(0);
    EXPECT_TRUE(!outcome.on_cpu || outcome.told) << described(faults) << "no record tells of the fallback";
    ++(outcome.on_cpu ? tally_.same_on_cpu : tally_.same_on_device);
  }

  // The second fault may lie in the recovery from the first.
  void expect_recovery_from_pairs(int pairs, uint32_t seed) {
    std::vector<std::pair<std::string, uint64_t>> called;
    std::copy_if(calls_.begin(), calls_.end(), std::back_inserter(called),
                 [](const auto& c) { return c.second > 0; });
    std::mt19937 random(seed);
    for (int i = 0; i < pairs; ++i) {
      std::vector<Fault> faults;
      for (int k = 0; k < 2; ++k) {
        const auto& [function, calls] = called[random() % called.size()];
        faults.push_back({function, 1 + random() % (2 * calls), kResults[random() % 4]});
      }
      expect_recovery(faults);
    }
  }

  static Outcome expected_;
  static std::map<std::string, uint64_t> calls_;
  Tally tally_;
};

Outcome Recovery::expected_;
std::map<std::string, uint64_t> Recovery::calls_;

TEST_F(Recovery, FirstMiddleAndLastCallOfEachKind) {
  for (const auto& [function, calls] : calls_) {
    for (const uint64_t call : std::set<uint64_t>{1, (calls + 1) / 2, calls}) {
      if (call == 0) continue;
      expect_recovery({{function, call, call % 2 == 0 ? kOutOfDeviceMemory : kDeviceLost}});
    }
  }
  EXPECT_GT(tally_.same_on_device, 0);
  EXPECT_GT(tally_.same_on_cpu, 0);
}

TEST_F(Recovery, ADeviceThatIsLostForEverCostsTheDeviceAndNoCaption) {
  expect_recovery({{"vkQueueSubmit", 3, kDeviceLost, 1u << 30}});
  EXPECT_EQ(tally_.same_on_cpu, 1);
}

TEST_F(Recovery, FullMemoryForEverCostsTheDeviceAndNoCaption) {
  expect_recovery({{"vkAllocateMemory", 1, kOutOfDeviceMemory, 1u << 30}});
  EXPECT_EQ(tally_.same_on_cpu, 1);
}

TEST_F(Recovery, ABatchThatDoesNotFitIsHalved) {
  arm({{"vkAllocateMemory", 1, kOutOfDeviceMemory}});
  ::testing::internal::CaptureStderr();
  const Outcome outcome = run_job("vulkan");
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(outcome.captions, expected_.captions);
  EXPECT_FALSE(outcome.on_cpu);
  EXPECT_NE(outcome.retries.find("2 images together do not fit the memory"), std::string::npos)
      << outcome.retries;
  EXPECT_NE(said.find("1 are tried"), std::string::npos) << said;
}

TEST_F(Recovery, ALostDeviceIsOpenedAnewAndTheRecordTells) {
  arm({{"vkQueueSubmit", calls_.at("vkQueueSubmit"), kDeviceLost}});
  ::testing::internal::CaptureStderr();
  const Outcome outcome = run_job("vulkan");
  ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(outcome.captions, expected_.captions);
  EXPECT_FALSE(outcome.on_cpu);
  EXPECT_NE(outcome.retries.find("VK_ERROR_DEVICE_LOST"), std::string::npos) << outcome.retries;
  EXPECT_NE(outcome.retries.find("the device is opened anew"), std::string::npos) << outcome.retries;
}

TEST_F(Recovery, PairsOfFaults) { expect_recovery_from_pairs(15, 7); }

// Every call of the job with every result, and 200 pairs: minutes. Run with --gtest_also_run_disabled_tests.
TEST_F(Recovery, DISABLED_Campaign) {
  uint64_t points = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (const auto& [function, calls] : calls_) {
    for (uint64_t call = 1; call <= calls; ++call) {
      for (const int32_t result : kResults) {
        expect_recovery({{function, call, result}});
        ++points;
      }
    }
    std::printf("%-40s %6llu calls, %6llu points, %d failures so far\n", function.c_str(),
                static_cast<unsigned long long>(calls), static_cast<unsigned long long>(points),
                ::testing::Test::HasFailure());
  }
  const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("%llu points in %.0f s: %d same captions on the device, %d on the cpu, %d without a device\n",
              static_cast<unsigned long long>(points), seconds, tally_.same_on_device, tally_.same_on_cpu,
              tally_.refused);
}

TEST_F(Recovery, DISABLED_CampaignOfPairs) {
  expect_recovery_from_pairs(200, 20240);
  std::printf("200 pairs: %d same captions on the device, %d on the cpu, %d without a device\n",
              tally_.same_on_device, tally_.same_on_cpu, tally_.refused);
}

}  // namespace
}  // namespace vulcap::testing
