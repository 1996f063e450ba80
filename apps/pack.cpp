#include "loader/conversion/pack.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "apps/cli/log.h"
#include "apps/cli/progress.h"
#include "apps/commands.h"

namespace vulcap::apps {
namespace {

struct Options {
  std::string model, out;
  conversion::PackOptions pack;
};

std::string bytes_text(size_t bytes) { return amount_text(double(bytes), "bytes"); }

void print(const conversion::Packed& packed) {
  const std::string files = packed.data_files == 0 ? "one file"
                                                   : "a model and " + std::to_string(packed.data_files) +
                                                         " data file" + (packed.data_files > 1 ? "s" : "");
  std::printf("%s: %zu tensors of %s in %s of %s", packed.out.c_str(), packed.tensors,
              bytes_text(packed.tensor_bytes).c_str(), files.c_str(), bytes_text(packed.file_bytes).c_str());
  if (packed.merged.count > 0)
    std::printf("; %zu equal initialisers merged (%s)", packed.merged.count,
                bytes_text(packed.merged.bytes).c_str());
  std::printf("\n");
}

int run(const Options& options) {
  std::vector<conversion::Packed> all;
  if (std::filesystem::is_directory(options.model)) {
    all = conversion::pack_folder(options.model, options.out, options.pack);
  } else {
    all.push_back(conversion::pack(options.model, options.out, options.pack));
  }
  size_t equal = 0;
  for (const conversion::Packed& packed : all) {
    print(packed);
    equal += packed.equal_bytes;
  }
  constexpr size_t kWorthMentioning = 1 << 20;
  if (!options.pack.external && !options.pack.merge_equal && equal > kWorthMentioning)
    log_info(bytes_text(equal) + " are weights that equal others; --merge-equal stores them once");
  return 0;
}

CLI::App* add_command(CLI::App& app, Options& options, const char* name, const char* description) {
  CLI::App* command = app.add_subcommand(name, description);
  command->add_option("model", options.model, "MODEL.onnx, or a model folder")->required();
  command
      ->add_option("-o,--output", options.out,
                   "The .onnx file to write; of a folder, a new folder with everything that it holds")
      ->required();
  command->add_flag("--merge-equal", options.pack.merge_equal,
                    "Equal initialisers become one, which all that read them share: names disappear, and "
                    "merge-lora can no longer change one of them alone");
  return command;
}

}  // namespace

Command add_pack(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_command(app, *options, "pack", "Put a model's external data into its one .onnx file, below 2 GiB");
  return [options] { return run(*options); };
}

Command add_unpack(CLI::App& app) {
  auto options = std::make_shared<Options>();
  conversion::PackOptions& pack = options->pack;
  pack.external = true;
  CLI::App* command = add_command(app, *options, "unpack",
                                  "Put a model's weights into data files beside it, aligned for mapping: "
                                  "OUT.onnx_data, OUT.onnx_data_1, ...");
  command
      ->add_option("--shard-size", pack.shard_bytes,
                   "Of one data file, as in 2GB; a larger tensor has a file of its own. Default: one file")
      ->transform(CLI::AsSizeValue(true))
      ->check(CLI::PositiveNumber);
  command->add_option("--large", pack.large_tensor, "Bytes from which on a tensor leaves the .onnx file")
      ->transform(CLI::AsSizeValue(true))
      ->capture_default_str();
  command
      ->add_option(
          "--align", pack.alignment,
          "Bytes at whose multiples tensors begin, for whoever maps them: 4096, or 65536 on Windows; "
          "tensors smaller than that follow at multiples of 64")
      ->check(CLI::IsMember({64, 4096, 65536}))
      ->capture_default_str();
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
