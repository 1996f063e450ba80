// What a model folder answers to samples, and how fast.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "loader/conversion/samples.h"

namespace vulcap::quantization {

struct Answers {
  std::vector<std::string> texts;  // one a sample; none of a model that gives only numbers
  double milliseconds = 0;         // a sample, the first left out: the median; 0 where nothing is left
};

struct AnswerRequest {
  std::filesystem::path dir;
  std::string dtype;  // see loader::LoadOptions
  loader::CaptionPrompt prompt = {};
};

// Of the first `count` samples. Throws core::Error.
Answers answer(const AnswerRequest& request, session::Device& device, const conversion::Samples& samples,
               size_t count = SIZE_MAX);

}  // namespace vulcap::quantization
