#include "apps/benchmark/engine_process.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <sstream>

#include "apps/cli/log.h"
#include "apps/cli/stop_signals.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

bool drop_file(const fs::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  struct stat info {};
  bool dropped = fstat(file, &info) == 0;
  const size_t size = size_t(info.st_size);
  if (dropped && size > 0) {
    fdatasync(file);
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    void* bytes = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
    const size_t page = size_t(sysconf(_SC_PAGESIZE));
    std::vector<unsigned char> resident((size + page - 1) / page);
    dropped = bytes != MAP_FAILED && mincore(bytes, size, resident.data()) == 0 &&
              std::none_of(resident.begin(), resident.end(), [](unsigned char is) { return (is & 1) != 0; });
    if (bytes != MAP_FAILED) munmap(bytes, size);
  }
  close(file);
  return dropped;
}

// But empty ones.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) lines.push_back(line);
  return lines;
}

void log_line(const std::string& line) {
  const std::string warning = "vulcap: warning: ", info = "vulcap: ";
  if (line.starts_with(warning)) return log_warning(line.substr(warning.size()));
  if (line.starts_with(info)) return log_info(line.substr(info.size()));
  log_detail(line);
}

// What a process said on stderr, each line once in this run.
void tell(const std::string& text) {
  static std::set<std::string> told;
  for (const std::string& line : lines_of(text))
    if (told.insert(line).second) log_line(line);
}

double sum(const json& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0.0,
                         [](double total, const json& number) { return total + number.get<double>(); });
}

// Phases that stand in an image's entry under their field.
constexpr Phase kTold[] = {Phase::kDecodeImage, Phase::kPreprocess, Phase::kEncode, Phase::kPrefill,
                           Phase::kTokenize};

std::string field_of(Phase phase) { return std::string(kPhases[size_t(phase)].field); }

}  // namespace

bool drop_pages(const std::vector<fs::path>& files) {
  bool all = !files.empty();
  for (const fs::path& file : files) all = drop_file(file) && all;
  return all;
}

EngineProcess::EngineProcess(EngineSetup setup) : setup_(std::move(setup)) {
  measured_.of = setup_.of;
  for (const char* name : {"XDG_CACHE_HOME", "MESA_SHADER_CACHE_DIR"})
    setup_.child.environment[name] = setup_.caches.string();
}

void EngineProcess::start(bool cold) {
  if (cold) {
    fs::remove_all(setup_.caches);
    measured_.pages_dropped = drop_pages(setup_.files);
  }
  fs::create_directories(setup_.caches);
  child_ = std::make_unique<ChildProcess>(setup_.child);
  const json first = hear();
  const double seconds = child_->seconds_since_start();
  measured_.series(cold ? Phase::kStartCold : Phase::kStartWarm).seconds.push_back(seconds);
  if (!cold) measured_.series(Phase::kLoad).seconds.push_back(first.at("load"));
  measured_.engine = first.at("engine");
  measured_.device = first.at("device");
  measured_.machine = first.value("machine", json::object());
  measured_.model_type = first.value("model_type", std::string());
  measured_.files = first.value("files", std::vector<std::string>());
  measured_.model_bytes = first.value("model_bytes", uint64_t(0));
}

json EngineProcess::hear() {
  const std::string who = setup_.of.peer.empty() ? "the engine" : "the peer " + setup_.of.peer;
  std::optional<std::string> line;
  try {
    line = child_->wait_line(std::chrono::duration<double>(setup_.time_limit));
  } catch (core::Error& error) {
    throw error.add_context(who + " (--timeout)");
  }
  if (!line) stop_if_asked();  // which its whole process group heard
  if (!line && !setup_.of.peer.empty()) throw_peer_end(who);
  if (!line) child_->throw_end(who);
  json answer = json::parse(*line, nullptr, false);
  if (!answer.is_object())
    throw core::Error(core::ErrorCode::kRuntime, who + " printed what is no JSON object: " + *line);
  return answer;
}

void EngineProcess::throw_peer_end(const std::string& who) {
  const std::string how = child_->reap().description;
  // Node and Python print more than the error's line.
  std::string told;
  for (const std::string& line : lines_of(child_->error_text()))
    if (told.empty() && line.find("Error") != std::string::npos) told = line;
  throw core::Error(core::ErrorCode::kRuntime, who + " " + (told.empty() ? how : "failed: " + told) +
                                                   "; bench/README.md says what it needs, --python and "
                                                   "--node-modules where that is");
}

json EngineProcess::ask(const std::string& request) {
  child_->send(request);
  return hear();
}

void EngineProcess::repeat(bool measured) {
  const json answer = ask("run");
  measured_.peak_device_bytes =
      std::max(measured_.peak_device_bytes, answer.value("device_bytes", uint64_t(0)));
  measured_.fallback_calls = answer.value("fallback_calls", 0);
  if (const std::string why = answer.value("compromise", std::string()); !why.empty())
    measured_.compromise = why;
  take_outputs(answer);
  if (!measured) return;
  measured_.test_time = time_text();
  add_images(answer);
  add_rates(answer);
}

void EngineProcess::take_outputs(const json& answer) {
  auto ids = answer.value("ids", std::vector<std::vector<int64_t>>());
  auto captions = answer.value("captions", std::vector<std::string>());
  const bool first = measured_.images() == 0;
  if (!first && (ids != measured_.ids || captions != measured_.captions)) measured_.steady = false;
  measured_.ids = std::move(ids);
  measured_.captions = std::move(captions);
}

void EngineProcess::add_images(const json& answer) {
  for (const json& image : answer.at("images")) {
    for (Phase phase : kTold) {
      const auto entry = image.find(field_of(phase));
      if (entry != image.end()) measured_.series(phase).seconds.push_back(*entry);
    }
    if (image.contains("total")) measured_.series(Phase::kImage).seconds.push_back(image["total"]);
    const json steps = image.value("steps", json::array());
    if (!steps.empty())
      measured_.series(Phase::kDecodeToken).seconds.push_back(sum(steps) / double(steps.size()));
    if (image.contains("encode"))
      measured_.series(Phase::kGraphs)
          .seconds.push_back(image.at("encode").get<double>() + image.value("prefill", 0.0) + sum(steps));
  }
}

void EngineProcess::add_rates(const json& answer) {
  const json& images = answer.at("images");
  const auto add = [&](Phase phase, double seconds, double count) {
    if (seconds > 0) measured_.series(phase).rates.push_back(count / seconds);
  };
  double steps_seconds = 0, tokens = 0, graphs_seconds = 0;
  for (const json& image : images) {
    const json steps = image.value("steps", json::array());
    steps_seconds += sum(steps);
    tokens += double(steps.size());
    graphs_seconds += image.value("encode", 0.0) + image.value("prefill", 0.0) + sum(steps);
  }
  for (Phase phase : kTold) {
    double seconds = 0;
    for (const json& image : images) seconds += image.value(field_of(phase), 0.0);
    add(phase, seconds, double(images.size()));
  }
  add(Phase::kDecodeToken, steps_seconds, tokens);
  add(Phase::kGraphs, graphs_seconds, double(images.size()));
  if (!images.empty() && images.front().contains("total"))
    add(Phase::kImage, answer.at("wall"), double(images.size()));
}

json EngineProcess::profile() { return ask("profile").at("events"); }

void EngineProcess::stop() {
  child_->close_stdin();
  while (child_->wait_line(std::chrono::duration<double>(setup_.time_limit))) {
  }
  const ChildProcess::End end = child_->reap();
  tell(child_->error_text());
  child_.reset();
  if (!end.ok) throw core::Error(core::ErrorCode::kRuntime, "an engine " + end.description);
  measured_.peak_host_bytes = end.peak_bytes;
}

Measurement EngineProcess::finish() {
  stop();
  return std::move(measured_);
}

}  // namespace vulcap::apps
