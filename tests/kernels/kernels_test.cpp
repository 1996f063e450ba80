// The fast CPU kernels against the scalar references on every row of the case table, and the references
// against goldens made by numpy and ONNX Runtime (tests/generators/kernels.py).
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "runtime/core/error.h"
#include "runtime/cpu/backend.h"
#include "runtime/cpu/integer_tile.h"
#include "runtime/cpu/simd_targets.h"
#include "runtime/ops/kernels/element.h"
#include "shaders/abi.h"
#include "tests/kernels/builder.h"
#include "tests/kernels/cases.h"

namespace vulcap::testing {
namespace {

struct Setup {
  int threads;
  int64_t target;  // instruction set; one that this processor lacks is not instantiated
};

std::string setup_name(const ::testing::TestParamInfo<Setup>& info) {
  return std::string(hwy::TargetName(info.param.target)) + "_threads" + std::to_string(info.param.threads);
}

std::vector<Setup> setups() {
  std::vector<Setup> all;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) all.push_back({2, target});
  all.push_back({1, all.front().target});
  all.push_back({3, all.front().target});
  return all;
}

std::pair<uint32_t, uint32_t> weight_columns_and_rows(const ops::KernelCall& call) {
  const std::string_view kernel = ops::kernels()[call.kernel].name;
  const auto of = [](const auto& p) { return std::pair(p.n, p.k); };
  if (kernel == "matmul_integer") return of(call.params_as<abi::MatmulIntegerParams>());
  if (kernel == "matmul_quantized") return of(call.params_as<abi::MatmulQuantizedParams>());
  return of(call.params_as<abi::MatmulParams>());
}

class CpuKernels : public ::testing::TestWithParam<Setup> {
 protected:
  CpuKernels() {
    hwy::SetSupportedTargetsForTest(GetParam().target);
    hwy::GetChosenTarget().Update(GetParam().target);
  }
  ~CpuKernels() override {
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().DeInit();
  }

  std::shared_ptr<cpu::CpuBackend> backend_ = cpu::create_backend({GetParam().threads});

  // Runs through an executable; with `pack`, B of a matmul is uploaded as a weight.
  std::vector<Bytes> run(const KernelCase& test, bool pack) {
    plan::BuildRequest request;
    ops::KernelCall call = test.call;
    for (const Bytes& bytes : test.inputs) {
      request.external.push_back(backend_->allocate(bytes.size(), "test"));
      request.external.back()->write(0, bytes);
    }
    request.state = backend_->allocate(sizeof test.state, "state");
    request.state->write(0, std::as_bytes(std::span(test.state)));
    core::Tensor weight;
    if (pack) {
      const auto [n, k] = weight_columns_and_rows(call);
      const bool transposed = test.weight == ops::WeightLayout::kMatmulNK;
      const core::Shape shape{int64_t(transposed ? n : k), int64_t(transposed ? k : n)};
      weight = core::Tensor(call.variant.second, shape, test.inputs[call.bindings[1].index], nullptr, false);
      plan::WeightRequest upload;
      upload.tensor = &weight;
      upload.layout = test.weight;
      upload.kernel = call.kernel;
      request.constants.push_back(backend_->upload(upload));
      call.bindings[1] = {ops::BufferKind::kConstant, 0, 0, request.constants[0]->size(), false};
    }
    request.calls = {&call, 1};
    const auto buffers = request.external;
    const auto executable = backend_->build(std::move(request));
    executable->run();
    if (pack) {  // a weight may be packed when it is used again
      for (size_t i = 0; i < buffers.size(); ++i) buffers[i]->write(0, test.inputs[i]);
      executable->run();
    }
    std::vector<Bytes> got;
    for (size_t i = 0; i < buffers.size(); ++i) {
      got.emplace_back(test.inputs[i].size());
      buffers[i]->read(0, got.back());
    }
    return got;
  }

  std::vector<Bytes> run_on_host(const KernelCase& test) {
    std::vector<Bytes> buffers = test.inputs;
    for (Bytes& bytes : buffers) bytes.reserve(1);
    auto state = test.state;
    std::vector<std::byte*> pointers;
    for (const auto& binding : test.call.bindings) {
      pointers.push_back(binding.kind == ops::BufferKind::kState ? reinterpret_cast<std::byte*>(state.data())
                                                                 : buffers[binding.index].data());
    }
    backend_->run_call({test.call, pointers, state.data()});
    return buffers;
  }
};

TEST_P(CpuKernels, AgreeWithTheReferencesOnEveryRow) {
  for (const KernelCase& test : kernel_cases()) {
    const auto want = expected(test);
    EXPECT_EQ(compare(test, run(test, false), want), "");
    EXPECT_EQ(compare(test, run_on_host(test), want), "") << "through run_call";
    if (test.weight == ops::WeightLayout::kPlain || test.inputs[test.call.bindings[1].index].empty())
      continue;
    EXPECT_EQ(compare(test, run(test, true), want), "") << "packed";
  }
}

INSTANTIATE_TEST_SUITE_P(All, CpuKernels, ::testing::ValuesIn(setups()), setup_name);

TEST(KernelCases, AreManyAndCoverEveryKernel) {
  std::map<std::string_view, int> rows;
  const auto cases = kernel_cases();
  for (const auto& test : cases) ++rows[ops::kernels()[test.call.kernel].name];
  EXPECT_GE(cases.size(), 300u);
  for (const auto& kernel : ops::kernels()) EXPECT_GE(rows[kernel.name], 6) << kernel.name;
}

TEST(KernelCases, CompareSeesOneWrongElement) {
  for (const char* row :
       {"unary op=Gelu n=100", "cast storage=f32 second=i64 n=100", "softmax rows=3 cols=7"}) {
    const KernelCase test = make_case(row);
    const auto want = expected(test);
    auto got = want;
    got.back()[got.back().size() / 2 + 3] ^= std::byte{0x40};
    EXPECT_NE(compare(test, got, want), "") << row;
  }
}

// Every tile this processor runs, on the largest bytes too: no intermediate sum may saturate.
TEST(IntegerTiles, AgreeWithPlainCode) {
  constexpr size_t kRows = cpu::kIntegerRows, kDepth = 36;
  std::vector<uint8_t> a(kRows * kDepth);
  std::vector<int8_t> b(kDepth * cpu::kIntegerColumns);
  for (size_t i = 0; i < a.size(); ++i) a[i] = i % 3 == 0 ? uint8_t{255} : uint8_t(i * 37);
  for (size_t i = 0; i < b.size(); ++i) b[i] = i % 5 < 2 ? int8_t{-128} : int8_t(i * 91);
  size_t count = 0;
  const cpu::IntegerTile* tiles = cpu::all_integer_tiles(count);
  for (size_t rows = 1; rows <= kRows; ++rows) {
    std::vector<int32_t> want(rows * cpu::kIntegerColumns), got(want.size(), 1);
    tiles[count - 1](a.data(), kDepth, rows, b.data(), kDepth, want.data());
    for (size_t t = 0; t < count; ++t) {
      tiles[t](a.data(), kDepth, rows, b.data(), kDepth, got.data());
      EXPECT_EQ(got, want) << "tile " << t << ", " << rows << " rows";
    }
  }
}

TEST(KernelCases, UnknownWordsAreRefused) {
  EXPECT_THROW(make_case("softmax rows=3 colls=7"), std::runtime_error);
  EXPECT_THROW(make_case("unary op=Nonsense"), std::runtime_error);
}

TEST(KernelErrors, GatherNamesTheIndexAndTheRange) {
  KernelCase test = make_case("gather axis=10 indices=3");
  set_element(core::DType::kI64, test.inputs[1], 1, 70000);
  try {
    expected(test);
    FAIL() << "no error";
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kRuntime);
    EXPECT_NE(error.message().find("index 70000 is outside [0, 10)"), std::string::npos) << error.message();
  }
}

TEST(KernelErrors, APackedWeightOfAnotherShapeIsRefused) {
  const auto backend = cpu::create_backend({1});
  const core::Tensor weight(core::DType::kF32, {8, 5});
  plan::WeightRequest upload;
  upload.tensor = &weight;
  upload.layout = ops::WeightLayout::kMatmulKN;
  upload.kernel = ops::kernel_index("matmul");
  KernelCase test = make_case("matmul m=2 n=7 k=8");
  plan::BuildRequest request;
  request.constants = {backend->upload(upload)};
  for (const Bytes& bytes : test.inputs) request.external.push_back(backend->allocate(bytes.size(), "test"));
  test.call.bindings[1] = {ops::BufferKind::kConstant, 0, 0, 0, false};
  request.calls = {&test.call, 1};
  EXPECT_THROW(backend->build(std::move(request)), core::Error);
}

std::vector<double> numbers(std::istream& line) {
  std::vector<double> values;
  for (std::string word; line >> word;) values.push_back(std::stod(word));
  return values;
}

void set_numbers(core::DType dtype, Bytes& bytes, const std::vector<double>& values) {
  ASSERT_EQ(bytes.size(), core::dtype_bytes(dtype, values.size()));
  for (size_t i = 0; i < values.size(); ++i) set_element(dtype, bytes, i, values[i]);
}

// Lines "case <row>", "in <buffer> <dtype> <numbers>", "out <buffer> <dtype> <numbers>"; each out is checked.
void check_golden_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  KernelCase test;
  size_t checked = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string kind, dtype_text;
    size_t buffer = 0;
    words >> kind;
    if (kind == "case") {
      test = make_case(line.substr(5));
      continue;
    }
    words >> buffer >> dtype_text;
    ASSERT_LT(buffer, test.inputs.size()) << test.name;
    const auto dtype = core::dtype_from_name(dtype_text);
    if (kind == "in") {
      set_numbers(dtype, test.inputs[buffer], numbers(words));
      continue;
    }
    KernelCase one = test;
    for (auto& binding : one.call.bindings) binding.written = binding.written && binding.index == buffer;
    auto want = test.inputs;
    set_numbers(dtype, want[buffer], numbers(words));
    EXPECT_EQ(compare(one, expected(test), want), "") << path;
    ++checked;
  }
  EXPECT_GT(checked, 0u) << path;
}

TEST(KernelReferences, AgreeWithNumpyAndOnnxRuntime) {
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(VULCAP_TEST_DATA "/kernels")) {
    check_golden_file(entry.path());
    ++files;
  }
  EXPECT_EQ(files, ops::kernels().size());
}

}  // namespace
}  // namespace vulcap::testing
