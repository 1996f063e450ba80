#include "apps/batch/job.h"

#include <malloc.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "apps/batch/decode_pool.h"
#include "apps/batch/fingerprint.h"
#include "apps/batch/inputs.h"
#include "apps/batch/key_set.h"
#include "apps/batch/record_file.h"
#include "apps/batch/stop_deadline.h"
#include "apps/captioning/record.h"
#include "apps/captioning/side_files.h"
#include "apps/cli/log.h"
#include "apps/cli/progress.h"
#include "apps/cli/stop_signals.h"
#include "runtime/core/error.h"
#include "runtime/core/thread_pool.h"

namespace vulcap::apps {
namespace {

using Clock = std::chrono::steady_clock;

// From a signal to the end, when a batch takes longer than that; schedulers kill after a few seconds more.
constexpr auto kGrace = std::chrono::seconds(3);

std::string stopped_by() {
  const int signal = StopSignals::received();
  return signal == SIGINT ? "SIGINT" : signal == SIGUSR1 ? "SIGUSR1" : "SIGTERM";
}

bool same_prompt(const std::optional<loader::CaptionPrompt>& a,
                 const std::optional<loader::CaptionPrompt>& b) {
  return a.has_value() == b.has_value() && (!a || (a->text == b->text && a->task == b->task));
}

class BatchJob {
 public:
  BatchJob(const BatchOptions& options, StopDeadline& deadline)
      : options_(options),
        deadline_(deadline),
        stop_(deadline.token()),
        shard_(options.shard.choose().shard),
        source_(open_inputs(options.inputs)),
        output_(shard_path(options.output, shard_), start_of(options)),
        engine_(options.model, remarks_),
        config_(engine_.generation_config(options.generation.flags)),
        format_(record_format(options.format, config_.num_return_sequences)) {
    output_.begin(format_, header(), [this](const RecordIdentity& record) {
      if (options_.sidecar) sidecars_.insert(sidecar_path(record.key).string());
    });
    deadline_.set_hook([this] { end_late(); });
  }
  ~BatchJob() { deadline_.set_hook({}); }

  // Appends until the inputs end or a stop is requested.
  void run();
  // Tells what was done; returns the exit code.
  int finish();

 private:
  static OutputStart start_of(const BatchOptions& options) {
    if (options.overwrite) return OutputStart::kOverwrite;
    return options.retry_failed ? OutputStart::kRetryFailed : OutputStart::kResume;
  }

  // When the batch that runs takes too long for a stop: it will run again.
  void end_late();
  nlohmann::json header();
  bool is_wanted(const BatchItem& item);
  void count_items(Progress& progress, std::stop_token stop);
  std::vector<CaptionRecord> caption(std::vector<DecodedItem>& items);
  // All that want what the first one wants, as one batch.
  void caption_alike(std::vector<DecodedItem>& items, size_t first, std::vector<CaptionRecord>& records);
  void put_beside(const BatchItem& item, CaptionRecord& record);
  void append(const std::vector<DecodedItem>& items, const std::vector<CaptionRecord>& records);
  void tell_failure(const std::string& error);
  std::string summary() const;

  const BatchOptions& options_;
  StopDeadline& deadline_;
  std::stop_token stop_;
  Shard shard_;
  std::unique_ptr<ItemSource> source_;
  RecordFile output_;
  Remarks remarks_;
  CaptionEngine engine_;
  generate::GenerationConfig config_;
  RecordFormat format_;
  KeySet sidecars_;
  Clock::time_point begin_ = Clock::now();
  // Counted by the threads that decode.
  std::atomic<uint64_t> seen_{0};
  std::atomic<uint64_t> recorded_{0};
  std::atomic<uint64_t> twice_{0};
  uint64_t appended_ = 0;
  uint64_t failed_ = 0;  // of them
};

nlohmann::json BatchJob::header() {
  nlohmann::json generation = nlohmann::json::object();
  for (const auto& [name, value] : options_.generation.flags) generation[name] = value;
  const ModelOptions& model = options_.model;
  return {{"vulcap", VULCAP_VERSION},
          {"format", options_.format},
          {"captions", config_.num_return_sequences},
          {"shard", shard_.text()},
          {"directory", utf8_text(std::filesystem::current_path().string())},
          {"settings",
           {{"model", model_fingerprint(engine_.model_dir(), engine_.captioner().description())},
            {"dtype", model.load_options().dtype},
            {"adapter", model.adapter.empty() ? "" : folder_fingerprint(model.adapter)},
            {"prompt", options_.prompt.text},
            {"task", options_.prompt.task},
            {"generation", generation}}}};
}

bool BatchJob::is_wanted(const BatchItem& item) {
  ++seen_;
  const std::string key = key_of(item);
  if (!shard_.contains(key)) return false;
  const Claim claim = output_.claim(key);
  if (claim == Claim::kRecorded) ++recorded_;
  if (claim == Claim::kTwice) ++twice_;
  return claim == Claim::kNew;
}

void BatchJob::run() {
  const int threads = options_.decode_threads > 0 ? options_.decode_threads : core::available_processors();
  DecodePool pool(*source_, [this](const BatchItem& item) { return is_wanted(item); }, threads,
                  {.items = 2 * options_.batch_size + size_t(threads)});
  const std::stop_callback wake(stop_, [&pool] { pool.stop(); });
  Progress progress("captioning", "images", 0);
  std::jthread counter;
  if (progress_is_shown() && can_be_counted(options_.inputs))
    counter = std::jthread([this, &progress](std::stop_token stop) { count_items(progress, stop); });
  while (!stop_.stop_requested()) {
    std::vector<DecodedItem> items = pool.next(options_.batch_size);
    if (items.empty()) break;
    const uint64_t failed = failed_;
    append(items, caption(items));
    progress.advance(items.size(), failed_ - failed);
  }
}

// Beside the job, since folders may be large: what there is, with records or without.
void BatchJob::count_items(Progress& progress, std::stop_token stop) {
  try {
    const auto source = open_inputs(options_.inputs);
    uint64_t total = 0;
    uint64_t recorded = 0;
    while (const auto item = source->next(stop)) {
      const std::string key = key_of(*item);
      if (!shard_.contains(key)) continue;
      ++total;
      recorded += output_.has_record(key) ? 1 : 0;
    }
    if (stop.stop_requested()) return;
    progress.set_total(total);
    if (recorded > 0) progress.skip(recorded);
  } catch (const std::exception&) {
    // The job meets the same, and says so.
  }
}

std::vector<CaptionRecord> BatchJob::caption(std::vector<DecodedItem>& items) {
  std::vector<CaptionRecord> records(items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    records[i].file = items[i].item.file;
    records[i].decode_seconds = items[i].seconds;
    records[i].captioned.error = items[i].item.error;
  }
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].image.width > 0) caption_alike(items, i, records);
    if (options_.sidecar) put_beside(items[i].item, records[i]);
  }
  return records;
}

void BatchJob::caption_alike(std::vector<DecodedItem>& items, size_t first,
                             std::vector<CaptionRecord>& records) {
  const auto own = items[first].item.prompt;
  std::vector<image::Image> images;
  std::vector<size_t> places;
  for (size_t i = first; i < items.size(); ++i) {
    if (items[i].image.width == 0 || !same_prompt(items[i].item.prompt, own)) continue;
    images.push_back(std::exchange(items[i].image, {}));
    places.push_back(i);
  }
  try {
    std::vector<Captioned> captioned = engine_.caption(images, own.value_or(options_.prompt), config_);
    for (size_t i = 0; i < places.size(); ++i) records[places[i]].captioned = std::move(captioned.at(i));
  } catch (const core::Error& error) {
    // A prompt that came with an image is that image's failure.
    if (error.code() != core::ErrorCode::kUsage || !own) throw;
    for (size_t place : places) records[place].captioned.error = error.message();
  }
}

void BatchJob::put_beside(const BatchItem& item, CaptionRecord& record) {
  if (!record.captioned.error.empty()) return;
  if (item.path.empty()) {
    throw core::Error(core::ErrorCode::kUsage,
                      "--sidecar writes beside the image, and " + item.file + " lies in an archive");
  }
  const std::string path = sidecar_path(item.path).lexically_normal().string();
  if (sidecars_.insert(path)) return write_sidecar(record, item.path);
  record.captioned.error = item.file + ": another image has the same sidecar, " + path;
}

void BatchJob::append(const std::vector<DecodedItem>& items, const std::vector<CaptionRecord>& records) {
  std::vector<OutputRecord> lines;
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string& error = records[i].captioned.error;
    lines.push_back({format_.write(records[i], items[i].item), !error.empty()});
    if (!error.empty()) tell_failure(error);
    if (error.empty()) log_detail(timing_line(records[i]));
    remarks_.warn(record_remarks(records[i]));
  }
  output_.append(lines);
  appended_ += lines.size();
  if (options_.max_failures && failed_ > *options_.max_failures) {
    throw core::Error(core::ErrorCode::kRuntime,
                      std::to_string(failed_) + " images failed, more than --max-failures " +
                          std::to_string(*options_.max_failures) + "; their records say why");
  }
}

void BatchJob::tell_failure(const std::string& error) {
  constexpr uint64_t kShown = 5;
  if (++failed_ <= kShown || log_shows(LogLevel::kDetail)) log_warning(error);
  if (failed_ == kShown + 1 && !log_shows(LogLevel::kDetail))
    log_warning("more images failed; their records say why, and --verbose does here");
}

void BatchJob::end_late() {
  output_.commit();
  log_info(stopped_by() + ": stopped within a batch, after " + std::to_string(output_.count().records) +
           " records; the same command goes on from there");
}

std::string BatchJob::summary() const {
  const auto count = [](uint64_t number, const std::string& what) {
    return number == 0 ? "" : ", " + std::to_string(number) + " " + what;
  };
  const double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
  char rate[64] = "";
  if (appended_ > 0)
    std::snprintf(rate, sizeof rate, " in %.1f s (%.1f a second)", seconds, double(appended_) / seconds);
  return std::to_string(appended_ - failed_) + " images captioned" + rate + count(failed_, "failed") +
         count(recorded_, "had a record") + count(twice_, "were given twice") +
         count(source_->left_out(), "other files left out");
}

int BatchJob::finish() {
  if (stop_.stop_requested()) {
    output_.commit();
    log_info(stopped_by() + ": " + summary() + "; the same command goes on from there");
    return stopped_exit_code(StopSignals::received());
  }
  if (seen_ == 0) {
    throw core::Error(core::ErrorCode::kRuntime,
                      "no image among the inputs (" + std::to_string(source_->left_out()) +
                          " other files); archives and lists are named by themselves");
  }
  output_.finish();
  log_info(summary());
  return output_.count().failed == 0 ? 0 : int(core::ErrorCode::kPartial);
}

}  // namespace

int run_batch(const BatchOptions& options) {
  const StopSignals signals({SIGINT, SIGTERM, SIGUSR1});
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is an error of write() like others
  // One heap: threads take memory for pixels that another gives back, and heaps of their own grow by it.
  ::mallopt(M_ARENA_MAX, 1);
  StopDeadline deadline(kGrace);
  BatchJob job(options, deadline);
  job.run();
  return job.finish();
}

}  // namespace vulcap::apps
