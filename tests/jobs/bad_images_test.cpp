// Images that cannot be read cost themselves alone.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "tests/jobs/job.h"

namespace vulcap::testing {
namespace {

TEST(BadImages, CostThemselvesAlone) {
  TempFolder folder;
  const fs::path images = folder / "images";
  fill_with_images(images, sizes().images);
  ASSERT_TRUE(exits(run_batch(images, folder / "clean.jsonl"), 0));
  Output reference = read_output(folder / "clean.jsonl");

  const std::vector<std::string> broken = break_images(images);
  const std::set<std::string> names(broken.begin(), broken.end());
  ASSERT_EQ(names.size(), (sizes().images + 4) / 5);
  EXPECT_TRUE(exits(run_batch(images, folder / "broken.jsonl"), 5));
  Output output = read_output(folder / "broken.jsonl");
  EXPECT_EQ(output.torn + output.doubled, 0u);
  ASSERT_EQ(output.records.size(), sizes().images);
  for (const auto& [file, text] : output.records) {
    if (names.count(file) == 0) {
      EXPECT_EQ(text, reference.records.at(file));
      continue;
    }
    const auto record = nlohmann::json::parse(text);
    EXPECT_FALSE(record.value("error", "").empty()) << text;
    EXPECT_FALSE(record.contains("caption")) << text;
  }
  // What failed stays failed: running again changes nothing and says so again.
  EXPECT_TRUE(exits(run_batch(images, folder / "broken.jsonl"), 5));
  EXPECT_TRUE(same_records(folder / "broken.jsonl", output));
}

}  // namespace
}  // namespace vulcap::testing
