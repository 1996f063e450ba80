#include "apps/serve/metrics.h"

#include <algorithm>
#include <sstream>

namespace vulcap::apps::serve {
namespace {

void head(std::ostream& out, const char* name, const char* type, const char* help) {
  out << "# HELP " << name << ' ' << help << "\n# TYPE " << name << ' ' << type << '\n';
}

template <typename T>
void single(std::ostream& out, const char* name, const char* type, const char* help, T value) {
  head(out, name, type, help);
  out << name << ' ' << value << '\n';
}

}  // namespace

void Metrics::count_request(const std::string& route, int status, double seconds) {
  const std::lock_guard lock(mutex_);
  ++requests_[{route, status}];
  Times& times = times_[route];
  const auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  if (bound != kBounds.end()) ++times.within[size_t(bound - kBounds.begin())];
  ++times.count;
  times.sum += seconds;
}

void Metrics::count_batch(size_t images) {
  const std::lock_guard lock(mutex_);
  ++batches_;
  images_ += images;
}

void Metrics::count_captions(const std::vector<loader::Caption>& captions) {
  const std::lock_guard lock(mutex_);
  for (const loader::Caption& caption : captions) tokens_ += uint64_t(caption.new_tokens);
}

std::string Metrics::text(size_t waiting) const {
  const std::lock_guard lock(mutex_);
  std::ostringstream out;
  head(out, "vulcap_requests_total", "counter", "Requests by route and status.");
  for (const auto& [key, count] : requests_)
    out << "vulcap_requests_total{route=\"" << key.first << "\",status=\"" << key.second << "\"} " << count
        << '\n';
  const char* seconds = "vulcap_request_seconds";
  head(out, seconds, "histogram", "From the head of a request to its answer.");
  for (const auto& [route, times] : times_) {
    uint64_t sum = 0;
    for (size_t i = 0; i < kBounds.size(); ++i) {
      sum += times.within[i];
      out << seconds << "_bucket{route=\"" << route << "\",le=\"" << kBounds[i] << "\"} " << sum << '\n';
    }
    out << seconds << "_bucket{route=\"" << route << "\",le=\"+Inf\"} " << times.count << '\n';
    out << seconds << "_sum{route=\"" << route << "\"} " << times.sum << '\n';
    out << seconds << "_count{route=\"" << route << "\"} " << times.count << '\n';
  }
  single(out, "vulcap_queue_requests", "gauge", "Requests that wait for the model or run.", waiting);
  single(out, "vulcap_batches_total", "counter", "Runs of the model.", batches_);
  single(out, "vulcap_images_total", "counter", "Images that were run.", images_);
  single(out, "vulcap_tokens_total", "counter", "Tokens of the captions.", tokens_);
  return out.str();
}

}  // namespace vulcap::apps::serve
