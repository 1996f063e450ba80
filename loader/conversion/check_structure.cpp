#include "loader/conversion/check_structure.h"

#include <onnx/onnx.pb.h>

#include <algorithm>
#include <optional>
#include <set>
#include <span>
#include <system_error>
#include <utility>

#include "loader/conversion/graph_names.h"
#include "loader/onnx/message_rewriter.h"
#include "loader/onnx/model.h"
#include "loader/onnx/model_files.h"
#include "loader/onnx/tensor_reader.h"
#include "loader/open_regular.h"
#include "runtime/core/error.h"

namespace vulcap::conversion {
namespace {

namespace fs = std::filesystem;
namespace proto = ::onnx;
using onnx::quote;
using onnx::WireReader;
using proto::TensorProto;

constexpr int64_t kOldestIr = 3;
constexpr int64_t kNewestIr = 13;
constexpr uint64_t kWorthMentioning = 1 << 20;  // bytes

// What a tensor's entries of external data say, unchecked.
struct Range {
  std::string location;
  uint64_t begin = 0;
};

std::optional<Range> external_range(WireReader message) {
  Range range;
  bool external = false;
  while (message.next()) {
    if (message.field() == TensorProto::kDataLocationFieldNumber)
      external = message.integer() == int64_t(TensorProto::EXTERNAL);
    if (message.field() != TensorProto::kExternalDataFieldNumber) continue;
    const auto [key, value] = onnx::read_string_entry(message.message());
    if (key == "location") range.location = value;
    if (key == "offset") range.begin = std::strtoull(value.c_str(), nullptr, 10);
  }
  return external ? std::optional(range) : std::nullopt;
}

class StructureChecker {
 public:
  explicit StructureChecker(fs::path path) : path_(std::move(path)) {}

  Structure run() {
    try {
      onnx::read_signature(path_);  // what is no model at all is told best there
      const auto file = loader::open_regular(path_);
      structure_.file_bytes = file->bytes().size();
      proto::ModelProto model;
      if (!model.ParseFromString(without_tensors(file))) {
        error("is damaged: not every message in it can be read; export or download it again");
      } else {
        check(model);
      }
    } catch (const core::Error& error) {
      this->error(error.message());
    }
    return std::move(structure_);
  }

 private:
  void add(bool is_error, std::string text) {
    const std::string start = path_.string() + ": ";
    if (text.starts_with(start)) text = text.substr(start.size());
    auto& findings = structure_.findings;
    if (findings.size() < kMostFindings) findings.push_back({is_error, std::move(text)});
    if (findings.size() == kMostFindings) findings.push_back({is_error, "there is more, which is left out"});
  }
  void error(std::string text) { add(true, std::move(text)); }
  void warn(std::string text) { add(false, std::move(text)); }

  // The model's message with the heads of its tensors, all of which are read on the way.
  std::string without_tensors(const std::shared_ptr<const core::MappedFile>& file) {
    onnx::TensorReader tensors(file, onnx::TensorReader::Alignment::kAny);
    return onnx::rewrite_message(WireReader(file->bytes()),
                                 [&](WireReader message, const std::string&) -> std::optional<onnx::Rope> {
                                   read_tensor(tensors, message);
                                   return onnx::tensor_head(message);
                                 })
        .text();
  }

  void read_tensor(onnx::TensorReader& reader, WireReader message) {
    ++structure_.tensors;
    try {
      const core::Tensor tensor = reader.read(message).tensor;
      structure_.parameters += tensor.size();
      structure_.tensor_bytes += tensor.bytes().size();
      if (const auto range = external_range(message))
        used_[range->location].insert({range->begin, range->begin + tensor.bytes().size()});
    } catch (const core::Error& error) {
      this->error(error.message());
    }
  }

  void check(const proto::ModelProto& model) {
    structure_.ir_version = model.ir_version();
    structure_.producer =
        model.producer_name() + (model.producer_version().empty() ? "" : " ") + model.producer_version();
    check_versions(model);
    check_size();
    const NamesReport names = check_names(model);
    structure_.nodes = names.nodes;
    for (const std::string& text : names.errors) error(text);
    for (const std::string& text : names.warnings) warn(text);
    check_use(model, names);
    for (const auto& [location, ranges] : used_) check_data_file(location, ranges);
  }

  void check_versions(const proto::ModelProto& model) {
    const int64_t ir = model.ir_version();
    if (ir == 0) error("states no IR version (ir_version)");
    if (ir != 0 && ir < kOldestIr) warn("IR version " + std::to_string(ir) + " is older than 3");
    if (ir > kNewestIr)
      warn("IR version " + std::to_string(ir) + " is newer than " + std::to_string(kNewestIr) +
           ", the newest that is known here");
    for (const proto::OperatorSetIdProto& opset : model.opset_import()) {
      const std::string domain = opset.domain() == "ai.onnx" ? "" : opset.domain();
      const auto [at, is_new] = structure_.opsets.emplace(domain, opset.version());
      if (!is_new) {
        const std::string name = domain.empty() ? "ai.onnx" : quote(domain);
        add(at->second != opset.version(), "the opset of " + name + " is stated twice");
      }
      if (opset.version() < 1) error("the opset of " + quote(domain) + " has no version");
    }
    if (structure_.opsets.empty()) error("states no opset (opset_import is empty)");
  }

  void check_size() {
    if (structure_.file_bytes > onnx::kLargestFile)
      error("is " + std::to_string(structure_.file_bytes) +
            " bytes, more than protobuf takes (2 GiB): vulcap unpack moves the weights to data files");
  }

  void check_use(const proto::ModelProto& model, const NamesReport& names) {
    uint64_t bytes = 0;
    size_t count = 0;
    for (const TensorProto& tensor : model.graph().initializer()) {
      if (names.read.count(tensor.name())) continue;
      ++count;
      uint64_t elements = 1;
      for (const int64_t dim : tensor.dims()) elements *= uint64_t(std::max<int64_t>(dim, 0));
      bytes += core::dtype_bytes(core::DType(tensor.data_type()), elements);
    }
    if (count > 0)
      warn(std::to_string(count) + " initialisers are read by nothing (" + std::to_string(bytes) + " bytes)");
  }

  void check_data_file(const std::string& location, const std::set<std::pair<uint64_t, uint64_t>>& ranges) {
    std::error_code failed;
    ExternalFile file{location, fs::file_size(path_.parent_path() / location, failed), 0};
    uint64_t end = 0;
    for (const auto& [begin, until] : ranges) {
      if (begin < end && until > begin)
        warn("tensors overlap in " + quote(location) + " at byte " + std::to_string(begin));
      file.bytes_used += until - begin;
      end = std::max(end, until);
    }
    if (!failed && file.bytes > end + kWorthMentioning)
      warn(quote(location) + " has " + std::to_string(file.bytes - end) +
           " bytes behind its last tensor: is it the file of this model?");
    structure_.external.push_back(std::move(file));
  }

  fs::path path_;
  Structure structure_;
  std::map<std::string, std::set<std::pair<uint64_t, uint64_t>>> used_;  // ranges of data files
};

}  // namespace

Structure check_structure(const fs::path& path) { return StructureChecker(path).run(); }

}  // namespace vulcap::conversion
