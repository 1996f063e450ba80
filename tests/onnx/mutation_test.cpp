// Seeded damage to real exports: every file must be read or refused with core::Error, and what was read must
// be safe to walk. Meant for the sanitizer preset, where any stray read aborts.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "loader/onnx/model.h"
#include "tests/onnx/model_builder.h"

namespace vulcap::onnx {
namespace {

using namespace onnx_test;

size_t walk(const GraphDef& graph) {
  size_t sum = 0;
  const auto touch = [&](const core::Tensor& tensor) {
    for (std::byte byte : tensor.bytes()) sum += size_t(byte);
    if (core::dtype_bits(tensor.dtype()) >= 8 && tensor.size() > 0) sum += size_t(tensor.at_f64(0) == 0);
  };
  for (const Initializer& initializer : graph.initializers) touch(initializer.tensor);
  for (const NodeDef& node : graph.nodes) {
    for (const Attribute& attribute : node.attributes) {
      if (const auto* tensor = std::get_if<core::Tensor>(&attribute.value)) touch(*tensor);
      if (const auto* inner = std::get_if<std::shared_ptr<GraphDef>>(&attribute.value)) sum += walk(**inner);
    }
  }
  return sum;
}

std::string mutate(std::string bytes, std::mt19937& random) {
  const auto at = [&] { return size_t(random()) % bytes.size(); };
  const int changes = 1 + int(random() % 4);
  for (int i = 0; i < changes; ++i) {
    switch (random() % 6) {
      case 0:
        bytes[at()] = char(random());
        break;
      case 1:
        bytes[at()] ^= char(1u << (random() % 8));
        break;
      case 2:
        bytes.resize(at() + 1);
        break;
      case 3:
        bytes.insert(at(), std::string(1 + random() % 9, '\xff'));
        break;
      case 4:
        bytes.erase(at(), 1 + random() % 16);
        break;
      default: {
        const size_t from = at(), length = std::min<size_t>(64, bytes.size() - from);
        bytes.insert(at(), bytes.substr(from, length));
      }
    }
    if (bytes.empty()) bytes = "\x08";
  }
  return bytes;
}

class Mutation : public testing::TestWithParam<const char*> {};

TEST_P(Mutation, IsReadOrRefused) {
  const auto source = std::filesystem::path(VULCAP_TEST_DATA) / "onnx";
  const std::string original = read_file(source / GetParam());
  TempFolder folder;
  std::filesystem::copy_file(source / "model_fp32.onnx.data", folder / "model_fp32.onnx.data");
  std::mt19937 random(20240611);
  int accepted = 0, refused = 0;
  for (int round = 0; round < 400; ++round) {
    const auto path = write_file(folder / "model.onnx", mutate(original, random));
    try {
      walk(read_model(path).graph);
      ++accepted;
    } catch (const core::Error& error) {
      EXPECT_EQ(error.code(), core::ErrorCode::kInvalidModel);
      EXPECT_LT(error.message().size(), 2000u);
      ++refused;
    }
    try {
      read_signature(path);
    } catch (const core::Error&) {
    }
  }
  EXPECT_GT(accepted, 0);
  EXPECT_GT(refused, 100);
}

INSTANTIATE_TEST_SUITE_P(Files, Mutation,
                         testing::Values("external.onnx", "typed_qdq.onnx", "unsorted_fp16.onnx"));

}  // namespace
}  // namespace vulcap::onnx
