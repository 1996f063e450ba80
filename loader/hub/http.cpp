#include "loader/hub/http.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <exception>
#include <thread>

#include "loader/hub/curl.h"
#include "loader/hub/names.h"
#include "runtime/core/error.h"

namespace vulcap::hub {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kMaxRedirects = 10;
constexpr size_t kMaxText = size_t(64) << 20;  // bytes of an answer that is read as a whole
constexpr size_t kMaxErrorText = 4096;
constexpr seconds kLongestWait{300};  // that a server may ask for
constexpr milliseconds kLongestOwnWait{8000};

std::string part_of(CURLU* address, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl().url_get(address, part, &text, flags) != CURLUE_OK) return "";
  const std::string result = text;
  curl().free(text);
  return result;
}

// "https://host:443"; empty for what is no address.
std::string origin_of(const std::string& url) {
  const std::unique_ptr<CURLU, void (*)(CURLU*)> address(curl().url(), curl().url_cleanup);
  if (curl().url_set(address.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return "";
  return part_of(address.get(), CURLUPART_SCHEME) + "://" + part_of(address.get(), CURLUPART_HOST) + ":" +
         part_of(address.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

std::string trimmed(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return std::string(text);
}

bool is_redirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool has_body(const Request& request) {
  return request.method == Method::kPost || request.method == Method::kPut;
}

bool follows(const Request& request, long status) {
  return has_body(request) ? status == 307 || status == 308 : is_redirect(status);
}

// Not a fault of the address, the certificates or the protocol, which would last.
bool passes(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool Response::passing() const {
  if (!problem.empty()) return interrupted;
  return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

std::string Response::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

// One request under way, as libcurl's callbacks see it.
struct HttpClient::Exchange {
  const Request& request;
  const std::atomic<bool>* stop;
  Response response{};
  std::exception_ptr thrown{};
  uint64_t sent = 0;  // bytes of the body that libcurl took
  std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers{nullptr, curl().slist_free_all};

  void add_header(const std::string& line) {
    curl_slist* longer = curl().slist_append(headers.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    headers.release();
    headers.reset(longer);
  }

  void take_header(std::string_view line) {
    if (line.starts_with("HTTP/")) {
      const size_t space = std::min(line.find(' '), line.size());
      response.status = std::strtol(std::string(line.substr(space)).c_str(), nullptr, 10);
      response.headers.clear();
      return;
    }
    const size_t colon = line.find(':');
    if (colon == line.npos) return;
    std::string name(line.substr(0, colon));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return char(std::tolower(c)); });
    response.headers[name] = trimmed(line.substr(colon + 1));
  }

  size_t take_text(std::string_view piece) {
    if (request.text->size() + piece.size() > kMaxText) {
      response.problem = "the answer is longer than 64 MiB";
      return 0;
    }
    *request.text += piece;
    return piece.size();
  }

  size_t take_body(std::string_view piece) {
    if (response.status < 200 || response.status > 299) {
      response.error_text += piece.substr(0, kMaxErrorText - response.error_text.size());
      return piece.size();
    }
    if (request.text != nullptr) return take_text(piece);
    if (!request.on_body) return piece.size();
    try {
      request.on_body(response, piece);
    } catch (...) {
      thrown = std::current_exception();
      return 0;
    }
    return piece.size();
  }

  size_t give_body(char* to, size_t count) {
    count = size_t(std::min<uint64_t>(count, request.body.size - sent));
    if (count == 0) return 0;
    try {
      const size_t given = request.body.read(sent, to, count);
      sent += given;
      return given;
    } catch (...) {
      thrown = std::current_exception();
      return CURL_READFUNC_ABORT;
    }
  }

  static size_t on_send(char* to, size_t size, size_t count, void* self) {
    return static_cast<Exchange*>(self)->give_body(to, size * count);
  }
  static int on_seek(void* self, curl_off_t offset, int origin) {
    if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_CANTSEEK;
    static_cast<Exchange*>(self)->sent = uint64_t(offset);
    return CURL_SEEKFUNC_OK;
  }
  static size_t on_header(char* data, size_t size, size_t count, void* self) {
    static_cast<Exchange*>(self)->take_header({data, size * count});
    return size * count;
  }
  static size_t on_body(char* data, size_t size, size_t count, void* self) {
    return static_cast<Exchange*>(self)->take_body({data, size * count});
  }
  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    const std::atomic<bool>* stop = static_cast<Exchange*>(self)->stop;
    return stop != nullptr && stop->load() ? 1 : 0;
  }
};

HttpClient::HttpClient(const Settings& settings, const std::atomic<bool>* stop)
    : settings_(settings),
      stop_(stop),
      handle_(curl().easy_init()),
      own_origin_(origin_of(settings.endpoint)) {
  if (handle_ == nullptr) throw core::Error(core::ErrorCode::kRuntime, "libcurl gives no handle");
}

HttpClient::~HttpClient() { curl().easy_cleanup(handle_); }

void HttpClient::set_body_options(const Request& request, Exchange& exchange) {
  const auto set = [this](CURLoption option, auto value) { curl().easy_setopt(handle_, option, value); };
  const bool put = request.method == Method::kPut;
  set(put ? CURLOPT_UPLOAD : CURLOPT_POST, 1L);
  set(put ? CURLOPT_INFILESIZE_LARGE : CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(request.body.size));
  set(CURLOPT_READFUNCTION, &Exchange::on_send);
  set(CURLOPT_READDATA, &exchange);
  set(CURLOPT_SEEKFUNCTION, &Exchange::on_seek);
  set(CURLOPT_SEEKDATA, &exchange);
  set(CURLOPT_LOW_SPEED_TIME, long(settings_.answer_timeout.count()));
}

void HttpClient::set_options(const Request& request, const std::string& url, Exchange& exchange) {
  const auto set = [this](CURLoption option, auto value) { curl().easy_setopt(handle_, option, value); };
  curl().easy_reset(handle_);
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, settings_.endpoint.starts_with("https:") ? "https" : "http,https");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_NOBODY, request.method == Method::kHead ? 1L : 0L);
  set(CURLOPT_USERAGENT, "vulcap");
  set(CURLOPT_CONNECTTIMEOUT, long(settings_.connect_timeout.count()));
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, long(settings_.silence_timeout.count()));
  if (!settings_.ca_file.empty()) set(CURLOPT_CAINFO, settings_.ca_file.c_str());
  if (request.offset > 0) set(CURLOPT_RANGE, (std::to_string(request.offset) + "-").c_str());
  if (!settings_.token.empty() && origin_of(url) == own_origin_) {
    set(CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    set(CURLOPT_XOAUTH2_BEARER, settings_.token.c_str());
  }
  set(CURLOPT_HEADERFUNCTION, &Exchange::on_header);
  set(CURLOPT_HEADERDATA, &exchange);
  set(CURLOPT_WRITEFUNCTION, &Exchange::on_body);
  set(CURLOPT_WRITEDATA, &exchange);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &Exchange::on_progress);
  set(CURLOPT_XFERINFODATA, &exchange);
  for (const std::string& line : request.headers) exchange.add_header(line);
  if (!request.headers.empty()) set(CURLOPT_HTTPHEADER, exchange.headers.get());
  if (has_body(request)) set_body_options(request, exchange);
}

Response HttpClient::send_once(const Request& request, const std::string& url) {
  Exchange exchange{request, stop_};
  if (request.text != nullptr) request.text->clear();
  char reason[CURL_ERROR_SIZE] = "";
  set_options(request, url, exchange);
  curl().easy_setopt(handle_, CURLOPT_ERRORBUFFER, reason);
  const CURLcode code = curl().easy_perform(handle_);
  if (exchange.thrown) std::rethrow_exception(exchange.thrown);
  Response& response = exchange.response;
  if (code != CURLE_OK && response.problem.empty()) {
    response.problem = printable(*reason != '\0' ? reason : curl().easy_strerror(code));
    response.interrupted = passes(code);
  }
  curl_off_t seconds_asked = 0;
  curl().easy_getinfo(handle_, CURLINFO_RETRY_AFTER, &seconds_asked);
  response.retry_after = seconds(std::max<curl_off_t>(seconds_asked, 0));
  return std::move(exchange.response);
}

Response HttpClient::send(const Request& request) {
  std::string url = request.url;
  for (int hop = 0; hop <= kMaxRedirects; ++hop) {
    Response response = send_once(request, url);
    if (!response.problem.empty() || !follows(request, response.status)) return response;
    char* next = nullptr;
    curl().easy_getinfo(handle_, CURLINFO_REDIRECT_URL, &next);
    if (next == nullptr) return response;
    if (request.method == Method::kHead && origin_of(next) != origin_of(url)) return response;
    url = next;
  }
  Response response;
  response.problem = "more than " + std::to_string(kMaxRedirects) + " redirects";
  return response;
}

bool HttpClient::wait_for_next_try(const Response& response, int tries_made) const {
  if (!response.passing() || tries_made >= settings_.tries || response.retry_after > kLongestWait)
    return false;
  milliseconds wait = settings_.first_wait;
  for (int i = 1; i < tries_made; ++i) wait = std::min(wait * 2, kLongestOwnWait);
  wait = std::max<milliseconds>(wait, response.retry_after);
  const auto end = std::chrono::steady_clock::now() + wait;
  while (!stopped() && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::min<milliseconds>(wait, milliseconds(50)));
  return !stopped();
}

Response HttpClient::send_patiently(const Request& request) {
  for (int tries = 1;; ++tries) {
    Response response = send(request);
    if (response.ok() || !wait_for_next_try(response, tries)) return response;
  }
}

Body text_body(std::string text) {
  const auto shared = std::make_shared<const std::string>(std::move(text));
  return {shared->size(), [shared](uint64_t offset, char* to, size_t count) {
            return shared->copy(to, count, size_t(offset));
          }};
}

}  // namespace vulcap::hub
