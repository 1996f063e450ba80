#include "apps/benchmark/sweep.h"

#include <charconv>
#include <filesystem>

#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

constexpr size_t kMostNumbers = 1000;

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> items;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    items.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return items;
}

[[noreturn]] void refuse(std::string_view flag, const std::string& item, const std::string& takes) {
  throw core::Error(core::ErrorCode::kUsage, std::string(flag) + " takes " + takes + ", not '" + item + "'");
}

// Reads first[-last[+step|*factor]].
class RangeReader {
 public:
  RangeReader(std::string_view flag, const std::string& item, int least, int most)
      : flag_(flag), item_(item), least_(least), most_(most), at_(item.data()) {}

  std::vector<int> numbers() {
    const int first = number(least_, most_);
    if (done()) return {first};
    if (!take('-')) fail();
    const int last = number(first, most_);
    int step = 1, factor = 1;
    if (take('+')) {
      step = number(1, most_);
    } else if (take('*')) {
      step = 0;
      factor = number(2, most_);
    }
    if (!done() || (step == 0 && first == 0)) fail();
    std::vector<int> all;
    for (int64_t value = first; value <= last && all.size() <= kMostNumbers; value = value * factor + step)
      all.push_back(int(value));
    return all;
  }

 private:
  bool done() const { return at_ == item_.data() + item_.size(); }
  bool take(char c) { return !done() && *at_ == c && ++at_; }
  int number(int least, int most) {
    int value = 0;
    const auto [end, error] = std::from_chars(at_, item_.data() + item_.size(), value);
    if (error != std::errc() || value < least || value > most) fail();
    at_ = end;
    return value;
  }
  [[noreturn]] void fail() const {
    refuse(flag_, item_,
           "numbers from " + std::to_string(least_) + " to " + std::to_string(most_) +
               ", or ranges like 1-4, 1-16*2, 2-10+4");
  }

  std::string_view flag_;
  const std::string& item_;
  int least_, most_;
  const char* at_;
};

}  // namespace

std::vector<int> parse_numbers(std::string_view flag, const std::string& text, int least, int most) {
  std::vector<int> all;
  for (const std::string& item : split(text)) {
    const std::vector<int> more = RangeReader(flag, item, least, most).numbers();
    all.insert(all.end(), more.begin(), more.end());
  }
  if (all.size() > kMostNumbers) refuse(flag, text, "at most " + std::to_string(kMostNumbers) + " numbers");
  return all;
}

std::vector<std::string> parse_names(std::string_view flag, const std::string& text) {
  std::error_code error;
  if (text.find('=') != std::string::npos || std::filesystem::exists(text, error)) return {text};
  std::vector<std::string> items = split(text);
  for (const std::string& item : items)
    if (item.empty() && items.size() > 1) refuse(flag, text, "names between commas");
  return items;
}

std::vector<BenchGroup> groups_of(const Sweep& sweep) {
  std::vector<BenchGroup> groups;
  for (const std::string& model : sweep.models)
    for (const std::string& dtype : sweep.dtypes)
      for (int beams : sweep.num_beams)
        for (int n_gen : sweep.n_gen)
          for (int threads : sweep.threads)
            for (int batch : sweep.batch_sizes) {
              BenchGroup group;
              for (const std::string& device : sweep.devices)
                group.push_back({model, dtype, device, "", threads, batch, beams, n_gen});
              for (const std::string& peer : sweep.peers)
                group.push_back({model, dtype, "", peer, threads, batch, beams, n_gen});
              groups.push_back(std::move(group));
            }
  return groups;
}

}  // namespace vulcap::apps
