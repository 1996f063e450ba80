#include "apps/batch/merge.h"

#include <algorithm>
#include <filesystem>
#include <span>

#include "apps/batch/merge_parts.h"
#include "apps/cli/log.h"
#include "loader/new_file.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

namespace fs = std::filesystem;

constexpr const char* kJournalEnding = ".journal";
constexpr size_t kShown = 5;  // examples of what is missing

// What the output will hold, in its order, and what it lacks.
struct MergePlan {
  std::vector<size_t> order;         // places in records()
  std::vector<std::string> missing;  // keys of inputs without a record
  std::vector<std::string> gaps;     // parts that are absent or unfinished, a line each
  uint64_t failed = 0;

  bool complete() const { return missing.empty() && gaps.empty(); }
};

std::vector<Part> open_parts(const MergeOptions& options, std::vector<std::string>& gaps) {
  std::vector<Part> parts;
  for (const std::string& path : options.parts) {
    if (fs::path(path).extension() == kJournalEnding) continue;  // as captions.* names it too
    std::error_code ignored;
    if (fs::equivalent(path, options.output, ignored))
      throw core::Error(core::ErrorCode::kUsage, path + " is an input of the merge and cannot be its output");
    if (fs::exists(path)) {
      parts.push_back(open_part(path));
    } else {
      gaps.push_back(path + ": there is no such file; run its part");
    }
  }
  return parts;
}

// Inputs may be named twice; their record stands once.
void order_by_inputs(const MergedParts& merged, const InputOptions& inputs, MergePlan& plan) {
  std::vector<bool> placed(merged.records().size());
  const auto source = open_inputs(inputs);
  while (const auto item = source->next({})) {
    const auto place = merged.find(key_of(*item));
    if (!place) {
      plan.missing.push_back(item->file);
    } else if (!placed[*place]) {
      placed[*place] = true;
      plan.order.push_back(*place);
    }
  }
  const size_t unasked = merged.records().size() - plan.order.size();
  if (unasked > 0)
    log_warning(std::to_string(unasked) +
                " records are of images that are not among --inputs; they are left out");
}

MergePlan plan_merge(const MergedParts& merged, const MergeOptions& options, std::vector<std::string> gaps) {
  MergePlan plan;
  plan.gaps = std::move(gaps);
  for (const std::string& gap : merged.gaps()) plan.gaps.push_back(gap);
  if (options.inputs.inputs.empty() && options.inputs.manifests.empty()) {
    for (size_t i = 0; i < merged.records().size(); ++i) plan.order.push_back(i);
  } else {
    order_by_inputs(merged, options.inputs, plan);
  }
  for (size_t place : plan.order) plan.failed += merged.records()[place].failed ? 1 : 0;
  return plan;
}

void put(loader::NewFile& file, std::string_view text) { file.write(std::as_bytes(std::span(text))); }

// Images without a caption, a line each: a manifest of what remains.
void write_missing(const MergedParts& merged, const MergePlan& plan, const std::string& path) {
  loader::NewFile file(path);
  for (const std::string& name : plan.missing) put(file, name + "\n");
  for (size_t place : plan.order) {
    const std::string& key = merged.records()[place].key;
    if (merged.records()[place].failed) put(file, key.substr(0, key.find('\0')) + "\n");
  }
  file.commit();
}

void tell(const MergedParts& merged, const MergePlan& plan) {
  for (const std::string& gap : plan.gaps) log_warning(gap);
  for (size_t i = 0; i < std::min(plan.missing.size(), kShown); ++i)
    log_warning(plan.missing[i] + " has no record");
  if (plan.missing.size() > kShown)
    log_warning("and " + std::to_string(plan.missing.size() - kShown) + " more have none");
  log_info(std::to_string(merged.parts().size()) + " parts: " + std::to_string(plan.order.size()) +
           " images, " + std::to_string(plan.failed) + " failed, " + std::to_string(merged.doubled()) +
           " doubled, " + std::to_string(plan.missing.size()) + " missing");
}

// The journal is emptied first: what is there is never taken for the output that it does not belong to.
void write_output(const MergedParts& merged, const MergePlan& plan, const std::string& output) {
  Journal journal(output, true);
  loader::NewFile file(output);
  Commit commit;
  put(file, merged.format().head);
  for (size_t place : plan.order) {
    put(file, merged.text_of(merged.records()[place]));
    put(file, "\n");
  }
  commit = {file.size(), plan.order.size(), plan.failed};
  file.commit();
  nlohmann::json header = merged.header();
  header["shard"] = Shard{}.text();
  journal.write_header(header);
  journal.start();
  journal.commit(commit);
  if (plan.complete()) journal.finish();
}

}  // namespace

int run_merge(const MergeOptions& options) {
  std::vector<std::string> gaps;
  std::vector<Part> parts = open_parts(options, gaps);
  if (!options.overwrite && !read_journal(options.output).header.is_null()) {
    throw core::Error(core::ErrorCode::kUsage,
                      options.output + ": there are records already; give another output, or --overwrite");
  }
  if (parts.empty())
    throw core::Error(core::ErrorCode::kRuntime,
                      options.parts.front() + ": there is no such file, and no other part");
  const MergedParts merged(std::move(parts));
  const MergePlan plan = plan_merge(merged, options, std::move(gaps));
  tell(merged, plan);
  if (!options.missing_list.empty()) write_missing(merged, plan, options.missing_list);
  if (!plan.complete() && !options.partial) {
    throw core::Error(core::ErrorCode::kRuntime,
                      options.output + ": not written, because " +
                          (plan.gaps.empty() ? std::to_string(plan.missing.size()) + " images have no record"
                                             : "not all parts are there and finished") +
                          "; run what is missing, or join what is there with --partial");
  }
  write_output(merged, plan, options.output);
  return plan.complete() && plan.failed == 0 ? 0 : int(core::ErrorCode::kPartial);
}

}  // namespace vulcap::apps
