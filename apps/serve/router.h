// From paths to the APIs, with access checks, errors in each API's form, counters and the access log.
#pragma once

#include <atomic>
#include <chrono>
#include <string>

#include "apps/serve/access.h"
#include "apps/serve/caption_service.h"
#include "apps/serve/embedding_service.h"
#include "apps/serve/http.h"
#include "apps/serve/limits.h"
#include "apps/serve/metrics.h"

namespace vulcap::apps::serve {

// What is served; all must live longer. One of the services is null.
struct ServedModel {
  std::string name;
  std::string device;
  CaptionService* captions = nullptr;
  EmbeddingService* embeddings = nullptr;
};

class Router : public HttpHandler {
 public:
  Router(const Limits& limits, const Access& access, ServedModel model, Metrics& metrics, bool shows_metrics);

  std::optional<Reply> before_body(const HttpRequest& request) override;
  Reply answer(const HttpRequest& request) override;
  Reply failure(int status, const std::string& message) override;

 private:
  using Clock = std::chrono::steady_clock;

  Reply get(const HttpRequest& request);
  Reply post(const HttpRequest& request);
  Reply chat(const HttpRequest& request);
  Reply task(const HttpRequest& request);
  Reply embeddings(const HttpRequest& request);
  Reply models() const;
  // Throws ApiError where the request names another model.
  void check_model(const std::string& name) const;
  // With what belongs to every reply; counts and logs it.
  Reply finished(const HttpRequest& request, Reply reply, Clock::time_point begin);

  const Limits& limits_;
  const Access& access_;
  const ServedModel model_;
  Metrics& metrics_;
  const bool shows_metrics_;
  const int64_t started_;  // seconds since 1970
};

}  // namespace vulcap::apps::serve
