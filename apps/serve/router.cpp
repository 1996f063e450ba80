#include "apps/serve/router.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "apps/cli/log.h"
#include "apps/cli/remarks.h"
#include "apps/serve/chat_api.h"
#include "apps/serve/chat_stream.h"
#include "apps/serve/embedding_api.h"
#include "apps/serve/page.h"
#include "apps/serve/replies.h"
#include "apps/serve/request_json.h"
#include "apps/serve/task_api.h"

namespace vulcap::apps::serve {
namespace {

using nlohmann::json;

constexpr std::string_view kModelPath = "/models/";
constexpr const char* kChatPath = "/v1/chat/completions";
constexpr const char* kEmbeddingsPath = "/v1/embeddings";
constexpr const char* kModelsPath = "/v1/models";

bool is_task_path(const std::string& path) { return path == "/" || path.starts_with(kModelPath); }

bool takes_post(const std::string& path) {
  return is_task_path(path) || path == kChatPath || path == kEmbeddingsPath;
}

// One of few names, for the counters.
std::string route_of(const HttpRequest& request) {
  static constexpr std::array kNamed{"/", kChatPath, kEmbeddingsPath, kModelsPath, "/health", "/metrics"};
  if (std::find(kNamed.begin(), kNamed.end(), request.path) != kNamed.end()) return request.path;
  if (request.path.starts_with(kModelPath)) return "/models/*";
  return find_page_file(request.path) != nullptr ? "page" : "other";
}

bool needs_no_key(const HttpRequest& request) {
  return request.method != "POST" && (request.path == "/health" || find_page_file(request.path) != nullptr);
}

// Until it is finished; throws ApiError. Gives up where the client has gone.
void await(Job& job, const HttpRequest& request) {
  for (std::string piece; !job.wait(piece);) {
    if (request.client_is_there()) continue;
    job.abandon();
    throw ApiError{499, "the client has gone"};
  }
}

Reply page_reply(const PageFile& file) {
  Reply reply{200, std::string(file.type), std::string(file.text)};
  reply.headers = {{"Content-Security-Policy",
                    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
                    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}};
  return reply;
}

}  // namespace

Router::Router(const Limits& limits, const Access& access, ServedModel model, Metrics& metrics,
               bool shows_metrics)
    : limits_(limits),
      access_(access),
      model_(std::move(model)),
      metrics_(metrics),
      shows_metrics_(shows_metrics),
      started_(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())) {}

std::optional<Reply> Router::before_body(const HttpRequest& request) {
  const auto begin = Clock::now();
  if (const auto refusal = access_.refusal(request, needs_no_key(request)))
    return finished(request, error_reply(*refusal, is_task_path(request.path)), begin);
  if (request.method == "OPTIONS") return finished(request, Reply{204, "text/plain", ""}, begin);
  try {
    if (request.method != "POST") return finished(request, get(request), begin);
    if (takes_post(request.path)) return std::nullopt;
    throw ApiError{404,
                   "there is nothing at '" + request.path + "' to post to; see the README for the paths"};
  } catch (const ApiError& error) {
    return finished(request, error_reply(error, false), begin);
  }
}

Reply Router::answer(const HttpRequest& request) {
  const auto begin = Clock::now();
  try {
    return finished(request, post(request), begin);
  } catch (const ApiError& error) {
    return finished(request, error_reply(error, is_task_path(request.path)), begin);
  } catch (const std::bad_alloc&) {
    return finished(request, error_reply({503, "out of memory"}, is_task_path(request.path)), begin);
  } catch (const std::exception& error) {
    return finished(request, error_reply({500, error.what()}, is_task_path(request.path)), begin);
  }
}

Reply Router::failure(int status, const std::string& message) {
  metrics_.count_request("other", status, 0);
  return error_reply({status, message, {}, {}, status == 503 ? 1 : 0}, false);
}

Reply Router::get(const HttpRequest& request) {
  if (const PageFile* file = find_page_file(request.path)) return page_reply(*file);
  if (request.path == "/health") return json_reply({{"status", "ok"}});
  if (request.path == kModelsPath) return models();
  if (request.path == "/metrics" && shows_metrics_) {
    const size_t waiting =
        model_.captions != nullptr ? model_.captions->waiting() : model_.embeddings->waiting();
    return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_.text(waiting)};
  }
  if (request.path == "/metrics")
    throw ApiError{404, "counters are not shown; start the server with --metrics"};
  if (takes_post(request.path)) throw ApiError{405, "this path takes POST"};
  throw ApiError{404, "there is nothing at '" + request.path + "'"};
}

Reply Router::post(const HttpRequest& request) {
  if (request.path == kChatPath) return chat(request);
  if (request.path == kEmbeddingsPath) return embeddings(request);
  return task(request);
}

void Router::check_model(const std::string& name) const {
  if (name.empty() || name == model_.name) return;
  throw ApiError{404, "the model '" + name + "' is not here; this server has '" + model_.name + "'", "model",
                 "model_not_found"};
}

Reply Router::models() const {
  const json tasks = model_.captions != nullptr ? json{"caption"} : json{"embed"};
  return json_reply({{"object", "list"},
                     {"data",
                      {{{"id", model_.name},
                        {"object", "model"},
                        {"created", started_},
                        {"owned_by", "vulcap"},
                        {"tasks", tasks},
                        {"device", model_.device}}}}});
}

Reply Router::chat(const HttpRequest& request) {
  if (model_.captions == nullptr)
    throw ApiError{400, "the model '" + model_.name + "' makes vectors, not texts; use /v1/embeddings"};
  ChatRequest chat = parse_chat(parse_body(request.body, limits_));
  check_model(chat.model);
  const bool stream = chat.caption.stream;
  auto job = model_.captions->submit(std::move(chat.caption));
  if (stream) return chat_stream(job, model_.name, chat, request.client_is_there);
  await(*job, request);
  return json_reply(ChatAnswer(model_.name).completion(*job, chat.warnings));
}

Reply Router::task(const HttpRequest& request) {
  if (request.path.starts_with(kModelPath)) check_model(request.path.substr(kModelPath.size()));
  if (model_.captions == nullptr)
    throw ApiError{400, "the model '" + model_.name + "' makes vectors, not texts; use /v1/embeddings"};
  const auto job = model_.captions->submit(parse_task(request, limits_));
  await(*job, request);
  return json_reply(task_answer(*job));
}

Reply Router::embeddings(const HttpRequest& request) {
  if (model_.embeddings == nullptr)
    throw ApiError{400, "the model '" + model_.name + "' makes texts, not vectors; use /v1/chat/completions"};
  EmbeddingRequest embedding = parse_embedding(parse_body(request.body, limits_));
  check_model(embedding.model);
  const auto job = model_.embeddings->submit(std::move(embedding.inputs));
  await(*job, request);
  return json_reply(embedding_answer(*job, model_.name, embedding.base64));
}

Reply Router::finished(const HttpRequest& request, Reply reply, Clock::time_point begin) {
  for (auto& header : access_.headers(request)) reply.headers.push_back(std::move(header));
  reply.headers.emplace_back("X-Content-Type-Options", "nosniff");
  reply.headers.emplace_back("Cache-Control", "no-store");
  const auto count = [this, begin, route = route_of(request), status = reply.status,
                      line = request.method + " " + request.path] {
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    metrics_.count_request(route, status, seconds);
    log_detail(line + " " + std::to_string(status) + " " + std::to_string(int(seconds * 1e3)) + " ms");
  };
  if (!reply.stream) {
    count();
    return reply;
  }
  reply.stream = [count, stream = std::move(reply.stream)](const WritePiece& write) {
    stream(write);
    count();
  };
  return reply;
}

}  // namespace vulcap::apps::serve
