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
      slots_(std::ptrdiff_t(2 * limits.batch)),
      queue_(limits.waiting + limits.batch, limits.batch,
             [this](std::span<const std::shared_ptr<Job>> jobs) { run(jobs); }) {}

void CaptionService::stop() {
  stopped_ = true;
  queue_.stop();
}

std::shared_ptr<CaptionJob> CaptionService::submit(CaptionRequest request) {
  const auto deadline = Job::Clock::now() + limits_.answer_time;
  auto job = std::make_shared<CaptionJob>(queue_.reserve(), deadline);
  try {
    job->config_ = engine_.captioner().generation_config(request.flags, job->warnings_);
    for (const std::string& warning : generate::check(job->config_)) job->warnings_.push_back(warning);
  } catch (const core::Error& error) {
    throw ApiError{400, error.message()};
  }
  // A text that comes piece by piece is generated alone, so that its first words do not wait for others'.
  if (!request.stream) job->group = group_of(request);
  job->prompt_ = std::move(request.prompt);
  decode(request.image, *job, deadline);
  queue_.submit(job);
  return job;
}

void CaptionService::decode(const std::string& bytes, CaptionJob& job, Job::Clock::time_point deadline) {
  if (!slots_.try_acquire_until(deadline))
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

Captioned CaptionService::run_alone(CaptionJob& job) {
  return engine_.caption(job.image_, job.prompt_, job.config_, [&](const std::string& piece) {
    if (!job.wanted() || stopped_) throw ApiError{503, "the caption was given up", {}, "given_up"};
    job.add(piece);
  });
}

void CaptionService::run(std::span<const std::shared_ptr<Job>> jobs) {
  std::vector<CaptionJob*> ours;
  for (const auto& job : jobs) ours.push_back(static_cast<CaptionJob*>(job.get()));
  metrics_.count_batch(ours.size());
  std::vector<Captioned> outcomes;
  if (ours.size() == 1) {
    outcomes.push_back(run_alone(*ours[0]));
  } else {
    std::vector<image::Image> images;
    for (CaptionJob* job : ours) images.push_back(std::move(job->image_));
    outcomes = engine_.caption(images, ours[0]->prompt_, ours[0]->config_);
  }
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
