// Lists and ranges of settings, and the cases that they make.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apps/benchmark/measurement.h"

namespace vulcap::apps {

// "1,4,16", "1-4", "1-16*2" (doubled), "2-10+4" (in steps) and lists of these. Throws core::Error(kUsage)
// that names `flag` for what is no number of [least, most] or no range, or makes more than 1,000 numbers.
std::vector<int> parse_numbers(std::string_view flag, const std::string& text, int least, int most);
// Split at commas; the whole where it is the name of something that exists or, being one dtype for each file
// ("encoder_model=fp16,..."), has a '='. Throws core::Error(kUsage) for an empty item.
std::vector<std::string> parse_names(std::string_view flag, const std::string& text);

struct Sweep {
  std::vector<std::string> models{""};
  std::vector<std::string> dtypes{"auto"};
  std::vector<std::string> devices{"auto"};
  std::vector<std::string> peers;
  std::vector<int> threads{0};
  std::vector<int> batch_sizes{1};
  std::vector<int> num_beams{0};
  std::vector<int> n_gen{0};
};

// Cases that differ in the engine alone, devices first, then peers: they are measured in turns.
using BenchGroup = std::vector<BenchCase>;
std::vector<BenchGroup> groups_of(const Sweep& sweep);

}  // namespace vulcap::apps
