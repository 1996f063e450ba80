#include "tests/jobs/job.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace vulcap::testing {
namespace {

std::vector<fs::path> sample_images() {
  std::vector<fs::path> samples;
  for (const fs::path& folder : {kTestData / "images", kEmbeddedModel / "expected" / "images"}) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string kind = entry.path().extension().string();
      if (kind == ".png" || kind == ".jpg") samples.push_back(entry.path());
    }
  }
  std::sort(samples.begin(), samples.end());
  return samples;
}

// A record without what may differ between runs; scores to three digits, since rows of other batches are
// summed in another order.
std::string comparable(nlohmann::json record) {
  for (const char* name : {"timing", "device", "fallback"}) record.erase(name);
  if (!record.contains("captions")) return record.dump();
  for (auto& caption : record["captions"]) {
    if (caption.contains("score")) caption["score"] = std::round(double(caption["score"]) * 1e3) / 1e3;
  }
  return record.dump();
}

Arguments all_arguments(const fs::path& folder, const fs::path& out, const Arguments& more) {
  Arguments arguments = batch_arguments(folder, out);
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

// Where tests run in a job of a scheduler themselves, its variables are not meant.
Environment without_scheduler(Environment changes) {
  for (const char* name : {"SLURM_ARRAY_TASK_ID", "SLURM_PROCID", "JOB_COMPLETION_INDEX"})
    changes.emplace(name, "");
  return changes;
}

}  // namespace

Sizes& sizes() {
  static Sizes values;
  return values;
}

void fill_with_images(const fs::path& folder, size_t images) {
  static const std::vector<fs::path> samples = sample_images();
  fs::create_directories(folder);
  for (size_t i = 0; i < images; ++i) {
    const fs::path& sample = samples[i * 7 % samples.size()];
    char name[32];
    std::snprintf(name, sizeof name, "image_%06zu", i);
    fs::copy_file(sample, folder / (name + sample.extension().string()));
  }
}

std::vector<std::string> break_images(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<std::string> broken;
  for (size_t i = 0; i < files.size(); i += 5) {
    const std::string bytes = read_file(files[i]);
    switch (i / 5 % 5) {
      case 0:
        write_file(files[i], "");
        break;
      case 1:
        write_file(files[i], "no image at all\n");
        break;
      case 2:
        write_file(files[i], bytes.substr(0, bytes.size() / 2));
        break;
      case 3:
        write_file(files[i], bytes.substr(0, 20));
        break;
      default:
        write_file(files[i], bytes.substr(0, 8) + std::string(4000, '\xff'));
        break;
    }
    broken.push_back(files[i].string());
  }
  return broken;
}

Arguments batch_arguments(const fs::path& folder, const fs::path& out) {
  Arguments arguments = {"batch",    folder.string(),
                         "-o",       out.string(),
                         "--device", "cpu",
                         "-t",       "1",
                         "-b",       std::to_string(sizes().batch)};
  if (!sizes().model.empty()) arguments.insert(arguments.end(), {"-m", sizes().model});
  return arguments;
}

Outcome run_batch(const fs::path& folder, const fs::path& out, const Arguments& more,
                  const Environment& changes) {
  return run_vulcap(all_arguments(folder, out, more), without_scheduler(changes), std::chrono::seconds(3600));
}

ChildProcess start_batch(const fs::path& folder, const fs::path& out, const Environment& changes) {
  return ChildProcess(VULCAP_PROGRAM, batch_arguments(folder, out),
                      program_environment(without_scheduler(changes)));
}

std::string whole_lines(const fs::path& file) {
  if (!fs::exists(file)) return "";
  const std::string text = read_file(file);
  return text.substr(0, text.rfind('\n') + 1);
}

Output read_output(const fs::path& file) {
  Output output;
  for (const std::string& line : lines_of(read_file(file))) {
    const auto record = nlohmann::json::parse(line, nullptr, false);
    if (!record.is_object() || !record.contains("file")) {
      ++output.torn;
    } else if (!output.records.emplace(record.at("file"), comparable(record)).second) {
      ++output.doubled;
    }
  }
  return output;
}

::testing::AssertionResult same_records(const fs::path& out, const Output& reference) {
  const Output output = read_output(out);
  size_t lost = 0;
  size_t other = 0;
  std::string example;
  for (const auto& [file, record] : reference.records) {
    const auto found = output.records.find(file);
    if (found == output.records.end()) {
      ++lost;
    } else if (found->second != record) {
      ++other;
      example = "\n" + found->second + "\nis not\n" + record;
    }
  }
  const size_t unasked = output.records.size() + lost - reference.records.size();
  if (lost + other + unasked + output.doubled + output.torn == 0) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << out << ": " << lost << " lost, " << output.doubled << " doubled, " << output.torn << " torn, "
         << other << " different, " << unasked << " unasked for" << example;
}

}  // namespace vulcap::testing
