// The rules of ARCHITECTURE.md that can be read off the sources, and planted violations that each rule must
// find.
#include <gtest/gtest.h>

#include <set>

#include "runtime/ops/kernel_call.h"
#include "tests/architecture/source_tree.h"

namespace vulcap::test {
namespace {

constexpr size_t kMostLines = 500;

const SourceTree& product() {
  static const SourceTree tree = read_product();
  return tree;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += "\n  " + line;
  return text;
}

TEST(Architecture, SourcesAreFound) {
  EXPECT_GT(product().size(), 150u);
  for (const char* path : {"runtime/core/dim.h", "loader/onnx/import.cpp", "apps/main.cpp", "shaders/abi.h",
                           "shaders/matmul.comp"}) {
    EXPECT_TRUE(product().count(path)) << path;
  }
}

TEST(Architecture, IncludesFollowTheLayers) {
  const auto found = include_violations(product());
  EXPECT_TRUE(found.empty()) << joined(found);
}

TEST(Architecture, FilesAreShort) {
  const auto found = long_files(product(), kMostLines, {});
  EXPECT_TRUE(found.empty()) << joined(found);
}

TEST(Architecture, NothingIsLeftForLater) {
  const auto found = leftover_marks(product());
  EXPECT_TRUE(found.empty()) << joined(found);
}

TEST(Architecture, RegistriesMissNoFile) {
  for (const auto& [folder, prefix] :
       std::map<std::string, std::string>{{"runtime/ops/operators", "register"},
                                          {"runtime/ops/kernels", "kernel"},
                                          {"runtime/cpu/kernels", "cpu_kernel"}}) {
    const auto found = missing_registrations(product(), folder, prefix);
    EXPECT_TRUE(found.empty()) << joined(found);
  }
}

// One stem names a kernel's registry entry, its reference and its shader.
TEST(Architecture, EveryKernelHasAShaderAndAReference) {
  std::set<std::string_view> names;
  for (const ops::KernelDef& kernel : ops::kernels()) {
    const std::string name(kernel.name);
    EXPECT_TRUE(names.insert(kernel.name).second) << name << " is registered twice";
    EXPECT_TRUE(product().count("shaders/" + name + ".comp")) << name << " has no shader";
    EXPECT_TRUE(product().count("runtime/ops/kernels/" + name + ".cpp")) << name << " has no reference file";
    EXPECT_NE(kernel.reference, nullptr) << name;
    EXPECT_GT(kernel.param_bytes, 0u) << name;
    EXPECT_LE(kernel.param_bytes, ops::kMaxParamBytes) << name;
  }
  EXPECT_GT(names.size(), 12u);
}

TEST(Architecture, EveryFastKernelHasAReference) {
  for (const auto& [path, text] : product()) {
    const std::string folder = "runtime/cpu/kernels/";
    if (!path.starts_with(folder) || !path.ends_with(".cpp")) continue;
    EXPECT_TRUE(product().count("runtime/ops/kernels/" + path.substr(folder.size()))) << path;
  }
}

// ---- the rules themselves ----

struct Planted {
  std::string path;
  std::string line;
  bool allowed;
};

class PlantedInclude : public testing::TestWithParam<Planted> {};

TEST_P(PlantedInclude, IsJudged) {
  const auto& [path, include, allowed] = GetParam();
  const auto found = include_violations({{path, "#pragma once\n" + include + "\nint x;\n"}});
  EXPECT_EQ(found.size(), allowed ? 0u : 1u) << joined(found);
  for (const std::string& line : found) EXPECT_TRUE(line.starts_with(path + ": ")) << line;
}

INSTANTIATE_TEST_SUITE_P(
    Wrong, PlantedInclude,
    testing::Values(Planted{"runtime/core/a.h", "#include \"runtime/graph/graph.h\"", false},
                    Planted{"runtime/core/a.h", "  #  include  \"runtime/graph/graph.h\"", false},
                    Planted{"runtime/graph/a.h", "#include \"runtime/ops/op_registry.h\"", false},
                    Planted{"runtime/ops/operators/a.cpp", "#include \"runtime/passes/pass.h\"", false},
                    Planted{"runtime/passes/a.cpp", "#include \"runtime/plan/plan.h\"", false},
                    Planted{"runtime/plan/a.cpp", "#include \"runtime/cpu/backend.h\"", false},
                    Planted{"runtime/cpu/a.cpp", "#include \"runtime/vulkan/backend.h\"", false},
                    Planted{"runtime/vulkan/a.cpp", "#include \"runtime/cpu/backend.h\"", false},
                    Planted{"runtime/cpu/kernels/a.cpp", "#include \"runtime/session/program.h\"", false},
                    Planted{"runtime/session/a.cpp", "#include \"runtime/generate/generate.h\"", false},
                    Planted{"runtime/generate/a.cpp", "#include \"runtime/session/session.h\"", false},
                    Planted{"runtime/session/a.cpp", "#include \"loader/tasks.h\"", false},
                    Planted{"loader/a.cpp", "#include \"apps/commands.h\"", false},
                    Planted{"shaders/a.h", "#include \"runtime/core/dtype.h\"", false},
                    Planted{"shaders/a.comp", "#include \"runtime/core/dtype.h\"", false},
                    Planted{"apps/a.cpp", "#include \"tests/ops/rows.h\"", false},
                    Planted{"runtime/newcomer/a.cpp", "#include \"runtime/core/dim.h\"", false}));
INSTANTIATE_TEST_SUITE_P(
    WrongForeign, PlantedInclude,
    testing::Values(Planted{"runtime/cpu/a.cpp", "#include <vulkan/vulkan.h>", false},
                    Planted{"apps/a.cpp", "#include <vulkan/vulkan_core.h>", false},
                    Planted{"runtime/session/a.cpp", "#include <nlohmann/json.hpp>", false},
                    Planted{"runtime/core/a.cpp", "#include <png.h>", false},
                    Planted{"loader/a.cpp", "#include <jpeglib.h>", false},
                    Planted{"loader/image/a.cpp", "#include <cairo.h>", false},
                    Planted{"runtime/graph/a.cpp", "#include <onnx/onnx.pb.h>", false},
                    Planted{"loader/families/a.cpp", "#include <onnx/onnx.pb.h>", false},
                    Planted{"runtime/plan/a.cpp", "#include <google/protobuf/message_lite.h>", false},
                    Planted{"runtime/graph/a.cpp", "#include <utf8proc.h>", false},
                    Planted{"loader/a.cpp", "#include \"hwy/highway.h\"", false},
                    Planted{"loader/a.cpp", "#include <CLI/CLI.hpp>", false},
                    Planted{"loader/tokenizer/a.cpp", "#include \"runtime/graph/graph.h\"", false},
                    Planted{"loader/tokenizer/a.cpp", "#include \"runtime/session/session.h\"", false},
                    Planted{"runtime/core/a.cpp", "#include \"dim.h\"", false},
                    Planted{"runtime/core/a.cpp", "#include \"../graph/graph.h\"", false}));
INSTANTIATE_TEST_SUITE_P(
    Right, PlantedInclude,
    testing::Values(Planted{"apps/a.cpp", "#include \"runtime/session/session.h\"", true},
                    Planted{"apps/a.cpp", "#include <CLI/CLI.hpp>", true},
                    Planted{"loader/a.cpp", "#include \"runtime/generate/generate.h\"", true},
                    Planted{"loader/onnx/a.cpp", "#include <onnx/onnx.pb.h>", true},
                    Planted{"loader/image/a.cpp", "#include <jpeglib.h>", true},
                    Planted{"loader/tokenizer/a.cpp", "#include \"runtime/core/error.h\"", true},
                    Planted{"runtime/session/a.cpp", "#include \"runtime/vulkan/backend.h\"", true},
                    Planted{"runtime/vulkan/a.cpp", "#include <vulkan/vulkan.h>", true},
                    Planted{"runtime/cpu/a.cpp", "#include \"shaders/abi.h\"", true},
                    Planted{"runtime/generate/a.cpp", "#include \"runtime/core/error.h\"", true},
                    Planted{"shaders/a.comp", "#include \"shaders/lib/storage.glsl\"", true},
                    Planted{"runtime/core/a.cpp", "#include <vector>", true}));

TEST(PlantedFile, TooLong) {
  const std::string text(501, '\n');
  EXPECT_EQ(long_files({{"runtime/a.cpp", text}}, 500, {}).size(), 1u);
  EXPECT_TRUE(long_files({{"runtime/a.cpp", text}}, 500, {{"runtime/a.cpp", "a table"}}).empty());
  EXPECT_TRUE(long_files({{"runtime/a.cpp", std::string(500, '\n')}}, 500, {}).empty());
  EXPECT_EQ(long_files({{"runtime/a.cpp", "\n"}}, 500, {{"runtime/a.cpp", "a table"}}).size(), 1u);
  EXPECT_EQ(long_files({}, 500, {{"runtime/gone.cpp", "a table"}}).size(), 1u);
}

TEST(PlantedFile, LeftForLater) {
  EXPECT_EQ(leftover_marks({{"a.cpp",
                             "int x;  // TO"
                             "DO: more\n"}})
                .size(),
            1u);
  EXPECT_EQ(leftover_marks({{"a.cpp",
                             "// FIX"
                             "ME\n"}})
                .size(),
            1u);
  EXPECT_TRUE(leftover_marks({{"a.cpp", "int todo_list;\n"}}).empty());
}

TEST(PlantedFile, NotRegistered) {
  const SourceTree tree = {{"runtime/ops/operators/pad.cpp", "void register_pads(OpRegistry&) {}\n"},
                           {"runtime/ops/operators/conv.cpp", "void register_conv(OpRegistry&) {}\n"}};
  EXPECT_EQ(missing_registrations(tree, "runtime/ops/operators", "register").size(), 1u);
  EXPECT_EQ(missing_registrations({}, "runtime/ops/operators", "register").size(), 1u);
}

}  // namespace
}  // namespace vulcap::test
