// vulcap serve: the model behind HTTP.
#include <CLI/CLI.hpp>
#include <csignal>
#include <fstream>
#include <future>
#include <optional>

#include "apps/cli/log.h"
#include "apps/cli/stop_signals.h"
#include "apps/commands.h"
#include "apps/embedding_items.h"
#include "apps/serve/http_server.h"
#include "apps/serve/router.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

constexpr const char* kFooter =
    "Answers POST /v1/chat/completions (OpenAI: an image as a data URI, SSE with \"stream\": true),\n"
    "POST / and /models/NAME (Hugging Face: an image's bytes -> [{\"generated_text\": ...}]),\n"
    "POST /v1/embeddings (models that make vectors), GET /health, /v1/models, /metrics, and a page at /.\n\n"
    "  vulcap serve -m MODEL\n"
    "  curl --data-binary @photo.jpg http://127.0.0.1:8080/";

struct Options {
  EmbedderOptions model;
  std::string host = "127.0.0.1";
  int port = 8080;
  std::string alias;
  std::vector<std::string> keys;
  std::string key_file;
  std::vector<std::string> origins;
  bool metrics = false;
  serve::Limits limits;
};

std::vector<std::string> all_keys(const Options& options) {
  std::vector<std::string> keys = options.keys;
  if (!options.key_file.empty()) {
    std::ifstream file(options.key_file);
    if (!file)
      throw core::Error(core::ErrorCode::kUsage, options.key_file + ": the file of keys cannot be read");
    for (std::string line; std::getline(file, line);) {
      if (line.ends_with('\r')) line.pop_back();
      if (!line.empty()) keys.push_back(line);
    }
  }
  for (const std::string& key : keys) {
    if (key.empty()) throw core::Error(core::ErrorCode::kUsage, "--api-key must not be empty");
  }
  if (!options.key_file.empty() && keys.empty())
    throw core::Error(core::ErrorCode::kUsage, options.key_file + ": holds no key; write one a line");
  return keys;
}

serve::Access access_of(const Options& options) {
  serve::Access access{options.host, all_keys(options), options.origins};
  if (access.keys.empty() && !serve::is_loopback(options.host)) {
    throw core::Error(core::ErrorCode::kUsage,
                      "--host " + options.host +
                          " lets other machines ask, which needs --api-key-file FILE or --api-key KEY; "
                          "without keys only 127.0.0.1 and localhost are served");
  }
  return access;
}

std::string model_name(const Options& options) {
  if (!options.alias.empty()) return options.alias;
  return std::filesystem::absolute(options.model.model.model_dir() / "").parent_path().filename().string();
}

// The model and what serves it, whichever kind it is.
class Model {
 public:
  Model(const Options& options, serve::Metrics& metrics) : name_(model_name(options)) {
    if (loader::is_captioner(options.model.model.model_dir())) {
      engine_.emplace(options.model.model, remarks_);
      engine_->captioner().prepare(engine_->generation_config({}));
      device_ = engine_->device().name;
      captions_.emplace(*engine_, options.limits, metrics);
      return;
    }
    opened_ = options.model.model.open_for_user();
    embedder_ = options.model.load(*opened_.device);
    remarks_.warn(embedder_->warnings());
    device_ = opened_.name;
    embeddings_.emplace(*embedder_, options.limits);
  }

  serve::ServedModel served() {
    return {name_, device_, captions_ ? &*captions_ : nullptr, embeddings_ ? &*embeddings_ : nullptr};
  }
  // Fails what is not answered.
  void stop() {
    if (captions_) captions_->stop();
    if (embeddings_) embeddings_->stop();
  }

 private:
  Remarks remarks_;
  std::string name_;
  std::string device_;
  std::optional<CaptionEngine> engine_;
  session::OpenedDevice opened_;
  std::unique_ptr<loader::Embedder> embedder_;
  std::optional<serve::CaptionService> captions_;
  std::optional<serve::EmbeddingService> embeddings_;
};

// Lets what is under way be answered, within the limit.
void finish(serve::HttpServer& server, Model& model, std::future<void>& running, std::chrono::seconds limit) {
  server.stop();
  if (running.wait_for(limit) != std::future_status::ready) {
    log_warning("not all requests were answered in time; the rest is given up");
    model.stop();
  }
  running.get();
}

int run(const Options& options) {
  const serve::Access access = access_of(options);
  const StopSignals signals({SIGINT, SIGTERM, SIGUSR1});
  serve::Metrics metrics;
  Model model(options, metrics);
  serve::Router router(options.limits, access, model.served(), metrics, options.metrics);
  serve::HttpServer server(options.limits, router);
  const int port = server.listen(options.host, options.port);
  const std::string host =
      options.host.find(':') == std::string::npos ? options.host : "[" + options.host + "]";
  log_info("serving " + model.served().name + " at http://" + host + ":" + std::to_string(port));
  auto running = std::async(std::launch::async, [&server] { server.run(); });
  StopSignals::wait_readable(-1);  // for a signal alone
  log_info("stopping");
  finish(server, model, running, options.limits.stop_time);
  return Stopped{StopSignals::received()}.exit_code();
}

void add_seconds(CLI::App& command, const char* name, std::chrono::seconds& value, const char* help) {
  command
      .add_option_function<int>(
          name, [&value](int seconds) { value = std::chrono::seconds(seconds); }, help)
      ->check(CLI::Range(1, 86400))
      ->default_str(std::to_string(value.count()))
      ->group("Limits");
}

void add_limits(CLI::App& command, serve::Limits& limits) {
  command.add_option("-b,--batch-size", limits.batch, "Images that wait and run together")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command
      .add_option("--max-queue", limits.waiting, "Requests that may wait; more are told to try again (503)")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str()
      ->group("Limits");
  command.add_option("--max-body", limits.body_bytes, "Bytes of a request's body")
      ->check(CLI::Range(size_t(1024), size_t(1) << 32))
      ->capture_default_str()
      ->group("Limits");
  command.add_option("--max-pixels", limits.pixels, "Pixels of an image")
      ->check(CLI::Range(int64_t(1), image::kMaxPixels))
      ->capture_default_str()
      ->group("Limits");
  command
      .add_option("--max-connections", limits.connections,
                  "Connections at a time, of which slow ones make room")
      ->check(CLI::Range(1, 16384))
      ->capture_default_str()
      ->group("Limits");
  add_seconds(command, "--timeout", limits.answer_time, "Seconds until a request is answered or given up");
  add_seconds(command, "--header-timeout", limits.head_time, "Seconds until a request's head is there");
  add_seconds(command, "--body-timeout", limits.body_time, "Seconds until its body is there");
  add_seconds(command, "--stop-timeout", limits.stop_time,
              "Seconds for requests under way when it is told to stop");
}

}  // namespace

Command add_serve(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("serve", "Answer over HTTP, with a page to drop images on");
  options->model.add_to(*command);
  command
      ->add_option("--host", options->host,
                   "Address to listen on; any but this machine's own needs an API key")
      ->envname("VULCAP_ARG_HOST")
      ->capture_default_str();
  command->add_option("--port", options->port, "Port to listen on; 0: any free one")
      ->envname("VULCAP_ARG_PORT")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  command->add_option("--alias", options->alias, "The model's name for clients; default: its folder's");
  command->add_option("--api-key", options->keys, "Key that clients must send, as Authorization: Bearer KEY")
      ->envname("VULCAP_ARG_API_KEY")
      ->allow_extra_args(false);
  command->add_option("--api-key-file", options->key_file, "File with such keys, one a line")
      ->envname("VULCAP_ARG_API_KEY_FILE");
  command
      ->add_option("--allow-origin", options->origins,
                   "Web pages of this origin may ask, http://example.org; '*': any page")
      ->allow_extra_args(false);
  command->add_flag("--metrics", options->metrics, "Show counters at /metrics, for Prometheus");
  add_limits(*command, options->limits);
  command->footer(kFooter);
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
