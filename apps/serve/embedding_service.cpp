#include "apps/serve/embedding_service.h"

#include "loader/image/decode.h"
#include "runtime/core/error.h"

namespace vulcap::apps::serve {

EmbeddingService::EmbeddingService(loader::Embedder& embedder, const Limits& limits)
    : embedder_(embedder),
      limits_(limits),
      queue_(limits.waiting + 1, 1, [this](std::span<const std::shared_ptr<Job>> jobs) {
        for (const auto& job : jobs) run(static_cast<EmbeddingJob&>(*job));
      }) {}

std::shared_ptr<EmbeddingJob> EmbeddingService::submit(std::vector<EmbeddingInput> inputs) {
  auto job = std::make_shared<EmbeddingJob>(queue_.reserve(), Job::Clock::now() + limits_.answer_time);
  job->inputs_ = std::move(inputs);
  queue_.submit(job);
  return job;
}

void EmbeddingService::embed_texts(EmbeddingJob& job, const std::vector<size_t>& places) {
  // Few at a time, so that a long list that nobody waits for any more ends soon.
  for (size_t at = 0; at < places.size() && job.wanted(); at += limits_.batch) {
    std::vector<std::string> texts;
    for (size_t i = at; i < std::min(places.size(), at + limits_.batch); ++i)
      texts.push_back(job.inputs_[places[i]].text);
    auto embeddings = embedder_.embed_texts(texts, {});
    for (size_t i = 0; i < embeddings.size(); ++i) job.embeddings_[places[at + i]] = std::move(embeddings[i]);
  }
}

void EmbeddingService::run(EmbeddingJob& job) {
  job.embeddings_.resize(job.inputs_.size());
  std::vector<size_t> texts;
  try {
    for (size_t i = 0; i < job.inputs_.size() && job.wanted(); ++i) {
      const std::string& bytes = job.inputs_[i].image;
      if (bytes.empty()) {
        texts.push_back(i);
        continue;
      }
      const std::string name = "input[" + std::to_string(i) + "]";
      job.embeddings_[i] =
          embedder_.embed_image(image::decode_bytes(std::as_bytes(std::span(bytes)), name, limits_.pixels));
    }
    embed_texts(job, texts);
  } catch (const core::Error& error) {
    const bool is_ours = error.code() != core::ErrorCode::kUsage && error.code() != core::ErrorCode::kRuntime;
    return job.fail({is_ours ? 500 : 400, error.message(), "input"});
  }
  job.finish();
}

}  // namespace vulcap::apps::serve
