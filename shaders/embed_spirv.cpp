// Host tool: embed_spirv OUT.cpp NAME=FILE.spv... writes the modules with their reflection rows as one C++
// source.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// SPIR-V specification 1.3, sections 3.20 (decorations), 3.31 (capabilities) and 3.32 (instructions).
enum : uint32_t {
  kMagic = 0x07230203,
  kOpCapability = 17,
  kOpTypeInt = 21,
  kOpTypeFloat = 22,
  kOpTypeVector = 23,
  kOpTypeArray = 28,
  kOpTypeStruct = 30,
  kOpTypePointer = 32,
  kOpConstant = 43,
  kOpVariable = 59,
  kOpDecorate = 71,
  kOpMemberDecorate = 72,
  kDecorationSpecId = 1,
  kDecorationArrayStride = 6,
  kDecorationBinding = 33,
  kDecorationOffset = 35,
  kCapabilityShader = 1,
  kCapabilityFloat64 = 10,
  kCapabilityInt64 = 11,
  kCapabilityGroupNonUniform = 61,
  kCapabilityGroupNonUniformVote = 62,
  kCapabilityGroupNonUniformQuad = 68,
  kCapabilityStorageBuffer16Bit = 4433,
  kCapabilityStorageBuffer8Bit = 4448,
  kCapabilityUniformAndStorage8Bit = 4449,
  kStoragePushConstant = 9,
};

struct Module {
  std::string name;
  std::vector<uint32_t> words;
  std::set<uint32_t> capabilities;
  std::set<uint32_t> spec_ids;
  uint32_t bindings = 0;
  uint32_t push_bytes = 0;
};

class Reflection {
 public:
  explicit Reflection(const std::vector<uint32_t>& words) {
    for (size_t i = 5; i < words.size();) {
      const uint32_t count = words[i] >> 16;
      if (count == 0 || i + count > words.size()) throw std::runtime_error("broken instruction stream");
      read(words[i] & 0xffff, &words[i], count);
      i += count;
    }
  }

  void fill(Module& module) const {
    module.capabilities = capabilities_;
    module.spec_ids = spec_ids_;
    module.bindings = bindings_;
    module.push_bytes = push_type_ == 0 ? 0 : size_of(types_.at(push_type_)[3]);
  }

 private:
  void read(uint32_t op, const uint32_t* word, uint32_t count) {
    if (op == kOpCapability) capabilities_.insert(word[1]);
    if (op >= kOpTypeInt && op <= kOpTypePointer) types_[word[1]].assign(word, word + count);
    if (op == kOpConstant) constants_[word[2]] = word[3];
    if (op == kOpVariable && word[3] == kStoragePushConstant) push_type_ = word[1];
    if (op == kOpMemberDecorate && word[3] == kDecorationOffset) offsets_[word[1]][word[2]] = word[4];
    if (op != kOpDecorate) return;
    if (word[2] == kDecorationSpecId) spec_ids_.insert(word[3]);
    if (word[2] == kDecorationBinding) bindings_ = std::max(bindings_, word[3] + 1);
    if (word[2] == kDecorationArrayStride) strides_[word[1]] = word[3];
  }

  uint32_t size_of(uint32_t id) const {
    const std::vector<uint32_t>& type = types_.at(id);
    switch (type[0] & 0xffff) {
      case kOpTypeInt:
      case kOpTypeFloat:
        return type[2] / 8;
      case kOpTypeVector:
        return size_of(type[2]) * type[3];
      case kOpTypeArray:
        return strides_.at(id) * constants_.at(type[3]);
      case kOpTypeStruct: {
        uint32_t size = 0;
        for (uint32_t i = 2; i < type.size(); ++i)
          size = std::max(size, offsets_.at(id).at(i - 2) + size_of(type[i]));
        return size;
      }
      default:
        throw std::runtime_error("a push constant of an unexpected type");
    }
  }

  std::set<uint32_t> capabilities_, spec_ids_;
  std::map<uint32_t, std::vector<uint32_t>> types_;
  std::map<uint32_t, uint32_t> constants_, strides_;
  std::map<uint32_t, std::map<uint32_t, uint32_t>> offsets_;
  uint32_t bindings_ = 0, push_type_ = 0;
};

// A capability that no row tells of would reach a device without having been asked for.
void check_capabilities(const Module& module) {
  for (uint32_t capability : module.capabilities) {
    const bool subgroups =
        capability >= kCapabilityGroupNonUniform && capability <= kCapabilityGroupNonUniformQuad;
    const bool storage = capability == kCapabilityStorageBuffer16Bit ||
                         capability == kCapabilityStorageBuffer8Bit ||
                         capability == kCapabilityUniformAndStorage8Bit;
    if (subgroups || storage || capability == kCapabilityShader || capability == kCapabilityInt64 ||
        capability == kCapabilityFloat64)
      continue;
    throw std::runtime_error("needs the SPIR-V capability " + std::to_string(capability) +
                             ", which ShaderModule does not tell of");
  }
}

Module load(const std::string& argument) {
  const size_t equals = argument.find('=');
  if (equals == std::string::npos) throw std::runtime_error("expected NAME=FILE");
  Module module;
  module.name = argument.substr(0, equals);
  std::ifstream file(argument.substr(equals + 1), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  module.words.resize(bytes.size() / 4);
  std::copy_n(bytes.data(), module.words.size() * 4, reinterpret_cast<char*>(module.words.data()));
  if (module.words.size() < 5 || module.words[0] != kMagic) throw std::runtime_error("not a SPIR-V file");
  Reflection(module.words).fill(module);
  check_capabilities(module);
  return module;
}

bool has(const Module& module, uint32_t first, uint32_t last) {
  const auto found = module.capabilities.lower_bound(first);
  return found != module.capabilities.end() && *found <= last;
}

void write_arrays(std::ostream& out, const std::vector<Module>& modules) {
  for (size_t i = 0; i < modules.size(); ++i) {
    out << "constexpr uint32_t kWords" << i << "[] = {";
    for (size_t w = 0; w < modules[i].words.size(); ++w)
      out << (w % 16 == 0 ? "\n" : "") << modules[i].words[w] << ",";
    out << "};\nconstexpr std::array<uint32_t, " << modules[i].spec_ids.size() << "> kSpecIds" << i << "{";
    for (uint32_t id : modules[i].spec_ids) out << id << ",";
    out << "};\n";
  }
}

void write_rows(std::ostream& out, const std::vector<Module>& modules) {
  out << std::boolalpha << "constexpr ShaderModule kModules[] = {\n";
  for (size_t i = 0; i < modules.size(); ++i) {
    const Module& m = modules[i];
    out << "  {\"" << m.name << "\", kWords" << i << ", " << m.bindings << ", " << m.push_bytes
        << ", kSpecIds" << i << ", " << has(m, kCapabilityStorageBuffer16Bit, kCapabilityStorageBuffer16Bit)
        << ", " << has(m, kCapabilityStorageBuffer8Bit, kCapabilityUniformAndStorage8Bit) << ", "
        << has(m, kCapabilityInt64, kCapabilityInt64) << ", "
        << has(m, kCapabilityGroupNonUniformVote, kCapabilityGroupNonUniformQuad) << ", "
        << has(m, kCapabilityFloat64, kCapabilityFloat64) << "},\n";
  }
  out << "};\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: embed_spirv OUT.cpp NAME=FILE.spv...\n";
    return 2;
  }
  std::vector<Module> modules;
  for (int i = 2; i < argc; ++i) {
    try {
      modules.push_back(load(argv[i]));
    } catch (const std::exception& error) {
      std::cerr << "embed_spirv: " << argv[i] << ": " << error.what() << "\n";
      return 1;
    }
  }
  std::sort(modules.begin(), modules.end(), [](const Module& a, const Module& b) { return a.name < b.name; });
  std::ofstream out(argv[1]);
  out << "// Generated by embed_spirv.\n#include <array>\n\n#include \"shaders/shaders.h\"\n\nnamespace "
         "vulcap::shaders {\nnamespace {\n\n";
  write_arrays(out, modules);
  write_rows(out, modules);
  out << "\n}  // namespace\n\nstd::span<const ShaderModule> modules() { return kModules; }\n\n}  // "
         "namespace vulcap::shaders\n";
  return out.good() ? 0 : 1;
}
