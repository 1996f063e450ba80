#include "apps/serve/caption_service.h"

#include "loader/image/decode.h"
#include "runtime/core/error.h"

namespace vulcap::apps::serve {
namespace {

constexpr const char* kImage = "the image";

double seconds_since(Job::Clock::time_point begin) {
  return std::chrono::duration<double>(Job::Clock::now() - begin).count();
}

std::string group_of(const CaptionRequest& request) {
  std::string group = request.prompt.text + '\0' + request.prompt.task;
  for (const auto& [name, value] : request.flags) group += '\0' + name + '\0' + value;
  return group + '\n';
}

}  // namespace

CaptionService::CaptionService(CaptionEngine& engine, const Limits& limits, Metrics& metrics)
    : engine_(engine),
      limits_(limits),
      metrics_(metrics),
      slots_(2 * limits.batch),
      queue_(limits.waiting + limits.batch, limits.batch,
             [this](std::span<const std::shared_ptr<Job>> jobs) { run(jobs); }) {}

void CaptionService::stop() {
  stopped_ = true;
  queue_.stop();
}

std::shared_ptr<CaptionJob> CaptionService::submit(CaptionRequest request) {
  const auto deadline = Job::Clock::now() + limits_.answer_time;
  auto job = std::make_shared<CaptionJob>(queue_.reserve(), deadline);
  // A text that comes piece by piece is generated alone, so that its first words do not wait for others'.
  if (!request.stream) job->group = group_of(request);
  job->prompt_ = std::move(request.prompt);
  job->flags_ = std::move(request.flags);
  decode(request.image, *job, deadline);
  queue_.submit(job);
  return job;
}

void CaptionService::decode(const std::string& bytes, CaptionJob& job, Job::Clock::time_point deadline) {
  if (!slots_.acquire_until(deadline))
    throw ApiError{504, "the answer took longer than this server waits (--timeout)", {}, "timeout"};
  job.slot_.slots = &slots_;
  const auto begin = Job::Clock::now();
  try {
    job.image_ = image::decode_bytes(std::as_bytes(std::span(bytes)), kImage, limits_.pixels);
  } catch (const core::Error& error) {
    throw ApiError{400, error.message(), {}, "invalid_image"};
  }
  job.record_.decode_seconds = seconds_since(begin);
}

// Those of one group, which have the same.
void CaptionService::read_settings(std::span<CaptionJob* const> jobs) {
  CaptionJob& first = *jobs[0];
  try {
    first.config_ = engine_.captioner().generation_config(first.flags_, first.warnings_);
    for (std::string& advice : generate::check(first.config_)) first.warnings_.push_back(std::move(advice));
  } catch (const core::Error& error) {
    throw ApiError{400, error.message(), {}, "invalid_setting"};
  }
  for (CaptionJob* job : jobs.subspan(1)) {
    job->config_ = first.config_;
    job->warnings_ = first.warnings_;
  }
}

std::vector<Captioned> CaptionService::caption(std::span<CaptionJob* const> jobs) {
  CaptionJob& first = *jobs[0];
  if (jobs.size() == 1) {
    return {engine_.caption(first.image_, first.prompt_, first.config_, [&](const std::string& piece) {
      if (!first.wanted() || stopped_) throw ApiError{503, "the caption was given up", {}, "given_up"};
      first.add(piece);
    })};
  }
  std::vector<image::Image> images;
  for (CaptionJob* job : jobs) images.push_back(std::move(job->image_));
  return engine_.caption(images, first.prompt_, first.config_);
}

void CaptionService::run(std::span<const std::shared_ptr<Job>> jobs) {
  std::vector<CaptionJob*> ours;
  for (const auto& job : jobs) ours.push_back(static_cast<CaptionJob*>(job.get()));
  metrics_.count_batch(ours.size());
  read_settings(ours);
  std::vector<Captioned> outcomes = caption(ours);
  for (size_t i = 0; i < ours.size(); ++i) {
    ours[i]->image_ = {};
    ours[i]->slot_.free();
    if (!outcomes[i].error.empty()) {
      ours[i]->fail({422, outcomes[i].error, {}, "image_failed"});
      continue;
    }
    metrics_.count_captions(outcomes[i].result.captions);
    ours[i]->record_.captioned = std::move(outcomes[i]);
    ours[i]->finish();
  }
}

}  // namespace vulcap::apps::serve
