// CLI11's classes by name: its header alone takes a compiler seconds, so headers include this instead.
#pragma once

namespace CLI {
class App;
class Option;
}  // namespace CLI
