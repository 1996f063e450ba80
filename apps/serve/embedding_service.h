// The embedder behind the server.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/serve/job_queue.h"
#include "apps/serve/limits.h"
#include "loader/tasks/embedder.h"

namespace vulcap::apps::serve {

// A text, or the bytes of an image file.
struct EmbeddingInput {
  std::string text;
  std::string image;  // empty: it is the text
};

class EmbeddingJob : public Job {
 public:
  using Job::Job;

  // Once it is finished: one an input.
  const std::vector<loader::Embedding>& embeddings() const { return embeddings_; }

 private:
  friend class EmbeddingService;

  std::vector<EmbeddingInput> inputs_;
  std::vector<loader::Embedding> embeddings_;
};

class EmbeddingService {
 public:
  // Both must live longer.
  EmbeddingService(loader::Embedder& embedder, const Limits& limits);

  // Throws ApiError.
  std::shared_ptr<EmbeddingJob> submit(std::vector<EmbeddingInput> inputs);
  void stop() { queue_.stop(); }
  size_t waiting() const { return queue_.places_taken(); }

 private:
  void run(EmbeddingJob& job);
  void embed_texts(EmbeddingJob& job, const std::vector<size_t>& places);

  loader::Embedder& embedder_;
  const Limits& limits_;
  JobQueue queue_;
};

}  // namespace vulcap::apps::serve
