// The captioner behind the server: requests in, captions out, several images a run.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "apps/captioning/record.h"
#include "apps/serve/fair_slots.h"
#include "apps/serve/job_queue.h"
#include "apps/serve/limits.h"
#include "apps/serve/metrics.h"

namespace vulcap::apps::serve {

struct CaptionRequest {
  std::string image;  // bytes of a PNG or JPEG file
  loader::CaptionPrompt prompt;
  loader::GenerationFlags flags;
  bool stream = false;  // Job::wait() gives the text piece by piece
};

class CaptionJob : public Job {
 public:
  using Job::Job;

  const generate::GenerationConfig& config() const { return config_; }
  // Once it is finished.
  const CaptionRecord& record() const { return record_; }
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  friend class CaptionService;

  // One of the decoded images that may be in memory.
  struct Slot {
    FairSlots* slots = nullptr;
    ~Slot() { free(); }
    void free() {
      if (slots != nullptr) slots->release();
      slots = nullptr;
    }
  };

  loader::CaptionPrompt prompt_;
  loader::GenerationFlags flags_;
  generate::GenerationConfig config_;
  std::vector<std::string> warnings_;
  image::Image image_;
  Slot slot_;
  CaptionRecord record_;
};

class CaptionService {
 public:
  // All must live longer.
  CaptionService(CaptionEngine& engine, const Limits& limits, Metrics& metrics);

  // Decodes the image and queues it. Throws ApiError.
  std::shared_ptr<CaptionJob> submit(CaptionRequest request);
  // Fails all that is not finished.
  void stop();
  size_t waiting() const { return queue_.places_taken(); }

 private:
  void decode(const std::string& bytes, CaptionJob& job, Job::Clock::time_point deadline);
  void run(std::span<const std::shared_ptr<Job>> jobs);
  void read_settings(std::span<CaptionJob* const> jobs);
  std::vector<Captioned> caption(std::span<CaptionJob* const> jobs);

  CaptionEngine& engine_;
  const Limits& limits_;
  Metrics& metrics_;
  std::atomic<bool> stopped_ = false;
  FairSlots slots_;
  JobQueue queue_;
};

}  // namespace vulcap::apps::serve
