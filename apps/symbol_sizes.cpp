#include "apps/symbol_sizes.h"

#include "apps/commands.h"

namespace vulcap::apps {

std::map<core::Symbol, int64_t> symbol_sizes(const std::vector<std::string>& dims) {
  std::map<core::Symbol, int64_t> sizes = parse_dims(dims);
  sizes.emplace(core::intern_symbol("num_channels"), 3);
  sizes.emplace(core::intern_symbol("height"), 224);
  sizes.emplace(core::intern_symbol("width"), 224);
  return sizes;
}

}  // namespace vulcap::apps
