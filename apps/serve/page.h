// The files of apps/serve/page, as built in.
#pragma once

#include <string_view>

namespace vulcap::apps::serve {

struct PageFile {
  std::string_view path;  // "/", "/page.js"
  std::string_view type;  // MIME
  std::string_view text;
};

// Null for another path.
const PageFile* find_page_file(std::string_view path);

}  // namespace vulcap::apps::serve
