// Jobs of `vulcap batch` over folders of images, and what their outputs must hold.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {

// How large the runs are; main() takes them from the command line.
struct Sizes {
  size_t images = 200;
  size_t kills = 8;
  size_t stops = 6;
  size_t stride = 9;  // every how many points of a fault is tried
  uint64_t seed = 1;
  std::string model;  // empty: the embedded one
  int batch = 4;
};
Sizes& sizes();

// Fills `folder` with that many images, the same ones for the same numbers.
void fill_with_images(const fs::path& folder, size_t images);
// Makes every fifth of them unreadable, each fifth of those in another way; returns their names.
std::vector<std::string> break_images(const fs::path& folder);

// vulcap batch FOLDER -o OUT on the CPU with the settings of sizes().
Arguments batch_arguments(const fs::path& folder, const fs::path& out);
Outcome run_batch(const fs::path& folder, const fs::path& out, const Arguments& more = {},
                  const Environment& changes = {});
// Starts it and returns at once.
ChildProcess start_batch(const fs::path& folder, const fs::path& out, const Environment& changes = {});

// The bytes of a file up to its last end of line; empty where there is no file.
std::string whole_lines(const fs::path& file);

struct Output {
  std::map<std::string, std::string> records;  // by file: all that must not differ from run to run
  size_t torn = 0;                             // lines that are no record
  size_t doubled = 0;                          // files with more than one record
};
Output read_output(const fs::path& file);

// For EXPECT_TRUE: `out` holds what `reference` holds: nothing lost, doubled, torn or different.
::testing::AssertionResult same_records(const fs::path& out, const Output& reference);

}  // namespace vulcap::testing
