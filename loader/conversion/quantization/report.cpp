#include "loader/conversion/quantization/report.h"

#include <algorithm>
#include <utility>

#include "loader/conversion/quantization/answers.h"
#include "loader/model_dir.h"

namespace vulcap::quantization {
namespace {

size_t sum(const std::vector<FileResult>& files, size_t FileResult::*bytes) {
  size_t total = 0;
  for (const FileResult& file : files) total += file.*bytes;
  return total;
}

void compare_answers(const ReportRequest& request, const AnswerRequest& before, const AnswerRequest& after,
                     Report& report) {
  session::Device& device = *request.devices.front().device;
  const Answers was = answer(before, device, *request.samples), is = answer(after, device, *request.samples);
  report.answers = was.texts.size();
  for (size_t i = 0; i < was.texts.size(); ++i) {
    if (was.texts[i] != is.texts[i])
      report.changed.push_back({(*request.samples)[i], was.texts[i], is.texts[i]});
  }
}

}  // namespace

size_t Report::bytes_before() const { return sum(files, &FileResult::bytes_before); }
size_t Report::bytes_after() const { return sum(files, &FileResult::bytes_after); }

std::string dtype_of(const std::vector<FileResult>& files) {
  std::string dtype;
  for (const FileResult& file : files)
    dtype += (dtype.empty() ? "" : ",") + loader::describe_onnx_file(file.in).stem + "=" +
             std::string(format_name(file.format));
  return dtype;
}

Report report_on(std::vector<FileResult> files, const ReportRequest& request) {
  Report report;
  const AnswerRequest before{request.before, "fp32", request.prompt},
      after{request.after, dtype_of(files), request.prompt};
  session::Device& first = *request.devices.front().device;
  report.errors = output_errors(files, request.before, request.samples ? &*request.samples : nullptr, first);
  report.files = std::move(files);
  if (!request.samples) return report;
  compare_answers(request, before, after, report);
  for (const session::OpenedDevice& opened : request.devices) {
    const auto time = [&](const AnswerRequest& form) {
      return answer(form, *opened.device, *request.samples, request.timed + 1).milliseconds;
    };
    report.speeds.push_back({opened.name, time(before), time(after)});
  }
  return report;
}

}  // namespace vulcap::quantization
