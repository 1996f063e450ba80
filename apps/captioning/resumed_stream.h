// The text of a caption as it comes, where a caption may have to be begun again.
#pragma once

#include <string>

#include "loader/tasks/captioner.h"

namespace vulcap::apps {

// A later attempt repeats what was passed on before, which is left out. Where it says something else the
// caption cannot be taken back, and core::Error(kRuntime) is thrown.
class ResumedStream {
 public:
  explicit ResumedStream(loader::OnText target) : target_(std::move(target)) {}

  // What receives the pieces of the next attempt; empty where nobody listens.
  loader::OnText begin();

 private:
  void receive(const std::string& piece);

  loader::OnText target_;
  std::string passed_on_;
  size_t repeated_ = 0;  // bytes of it that this attempt has said
};

}  // namespace vulcap::apps
