#include "loader/speech/fallback.h"

#include <zlib.h>

#include <bit>

#include "runtime/core/error.h"
#include "runtime/generate/softmax.h"

namespace vulcap::speech {

double compression_ratio(std::span<const int64_t> ids, int64_t vocab) {
  const int bits = vocab > 1 ? std::bit_width(uint64_t(vocab)) - 1 : 0;  // floor(log2(vocab))
  const int width = bits / 8 + 1;
  std::vector<Bytef> bytes;
  for (const int64_t id : ids) {
    for (int i = 0; i < width; ++i) bytes.push_back(Bytef(uint64_t(id) >> (8 * i)));
  }
  uLongf size = compressBound(uLong(bytes.size()));
  std::vector<Bytef> packed(size);
  if (compress(packed.data(), &size, bytes.data(), uLong(bytes.size())) != Z_OK)
    throw core::Error(core::ErrorCode::kRuntime, "zlib cannot compress the tokens of a transcription");
  return double(bytes.size()) / double(size);
}

void LogProbabilities::apply(int64_t, std::span<const int64_t> ids, std::span<float> scores) {
  if (steps_ > 0) sum_ += last_.at(size_t(ids.back()));
  last_.assign(scores.begin(), scores.end());
  generate::log_softmax(last_);
  ++steps_;
}

double LogProbabilities::mean(std::span<const int64_t> ids) const {
  if (steps_ == 0) return 0;
  return (sum_ + last_.at(size_t(ids.back()))) / double(steps_);
}

}  // namespace vulcap::speech
