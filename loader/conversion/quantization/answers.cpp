#include "loader/conversion/quantization/answers.h"

#include <algorithm>
#include <chrono>

namespace vulcap::quantization {
namespace {

double median(std::vector<double> numbers) {
  if (numbers.empty()) return 0;
  const auto middle = numbers.begin() + std::ptrdiff_t(numbers.size() / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

}  // namespace

Answers answer(const AnswerRequest& request, session::Device& device, const conversion::Samples& samples,
               size_t count) {
  using Clock = std::chrono::steady_clock;
  loader::LoadOptions load;
  load.dtype = request.dtype;
  auto model = conversion::load_sample_model(request.dir, device, load, samples, request.prompt);
  Answers answers;
  std::vector<double> times;
  for (size_t i = 0; i < std::min(count, samples.size()); ++i) {
    const auto begin = Clock::now();
    std::string text = model->answer(samples[i]);
    if (i > 0) times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
    if (model->speaks()) answers.texts.push_back(std::move(text));
  }
  answers.milliseconds = median(std::move(times));
  model.reset();
  device.drop_unused_weights();
  return answers;
}

}  // namespace vulcap::quantization
