#include "apps/serve/page.h"

#include <algorithm>
#include <array>

#include "apps/serve_page_files.h"

namespace vulcap::apps::serve {
namespace {

constexpr std::array<PageFile, 4> kFiles{{{"/", "text/html; charset=utf-8", page_index_html},
                                          {"/index.html", "text/html; charset=utf-8", page_index_html},
                                          {"/page.css", "text/css; charset=utf-8", page_page_css},
                                          {"/page.js", "text/javascript; charset=utf-8", page_page_js}}};

}  // namespace

const PageFile* find_page_file(std::string_view path) {
  const auto found =
      std::find_if(kFiles.begin(), kFiles.end(), [&](const PageFile& file) { return file.path == path; });
  return found == kFiles.end() ? nullptr : found;
}

}  // namespace vulcap::apps::serve
